"""Whether the weight files are the right ones: no pickle, a sound header, the known sha256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ..errors import ModelRefusedError

PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One verified safetensors file."""

    path: Path
    name: str
    """Path relative to the model's directory."""
    sha256: str
    shapes: dict[str, Shape]
    dtypes: dict[str, str]
    """Of each tensor, as safetensors names them, such as "F32"."""
    identity: tuple[int, ...]
    """Device, inode, size and time of change: who maps the file later must find the same."""

    def check_unchanged(self) -> None:
        """Raise ModelRefusedError if the file is not the one that was verified."""
        if _identity(self.path) != self.identity:
            raise ModelRefusedError(f"{self.path}: has changed since it was verified; a reload (HUP) verifies it again")


def verify(
    directory: Path, folders: Iterable[Path], perhaps: Iterable[Path], known_sha256: dict[str, str]
) -> tuple[WeightFile, ...]:
    """Check every weight file of the modules in `folders`, in their order, and those at or below `perhaps`.

    `known_sha256` maps a file's path relative to `directory` to the hash it must have.
    Raises ModelRefusedError with one line that names the file.
    """
    files = []
    for path in (*_needed(folders), *_below(perhaps)):
        name = path.relative_to(directory).as_posix()
        identity = _identity(path)
        shapes, dtypes = _read_header(path)
        digest = _sha256(path)
        if known_sha256.get(name, digest) != digest:
            raise ModelRefusedError(f"{path}: sha256 is {digest}, but {known_sha256[name]} is expected")
        files.append(WeightFile(path, name, digest, shapes, dtypes, identity))
    return tuple(files)


def _needed(folders: Iterable[Path]) -> Iterator[Path]:
    """The weight files of each module. Raises ModelRefusedError where there is only a pickle."""
    for folder in folders:
        index_file = folder / "model.safetensors.index.json"
        if (folder / "model.safetensors").is_file():
            yield folder / "model.safetensors"
        elif index_file.is_file():
            yield from _shards(index_file)
        else:
            _refuse_missing(folder)


def _below(folders: Iterable[Path]) -> Iterator[Path]:
    """Weight files somewhere in modules that are not known to have some. Raises ModelRefusedError for a pickle."""
    for folder in folders:
        found = sorted(folder.rglob("*.safetensors"))
        beside = {path.parent for path in found}
        for pattern in PICKLES:
            for path in sorted(folder.rglob(pattern)):
                if path.parent not in beside:
                    _refuse_missing(path.parent)
        yield from found


def _shards(index_file: Path) -> list[Path]:
    try:
        names = set(json.loads(index_file.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise ModelRefusedError(f"{index_file}: is no index of weight files") from None
    paths = [index_file.parent / str(name) for name in sorted(names)]
    for path in paths:
        if path.parent != index_file.parent:
            raise ModelRefusedError(f"{index_file}: names {path.name} in another folder")
        if not path.is_file():
            raise ModelRefusedError(f"{path}: is missing, though {index_file.name} names it")
    return paths


def _refuse_missing(directory: Path) -> None:
    pickles = sorted(path.name for pattern in PICKLES for path in directory.glob(pattern))
    if pickles:
        raise ModelRefusedError(
            f"{directory / pickles[0]}: is a pickle, which can run code when loaded; "
            "convert it to model.safetensors (safetensors.torch.save_file)"
        )
    raise ModelRefusedError(f"{directory / 'model.safetensors'}: is missing")


def _read_header(path: Path) -> tuple[dict[str, Shape], dict[str, str]]:
    """Each tensor's shape and dtype. safetensors checks the header's length, the offsets and the size."""
    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            shapes = {name: tuple(tensor.get_shape()) for name, tensor in slices.items()}
            return shapes, {name: tensor.get_dtype() for name, tensor in slices.items()}
    except (SafetensorError, OSError) as error:
        raise ModelRefusedError(f"{path}: is no sound safetensors file: {error}") from None


def _identity(path: Path) -> tuple[int, ...]:
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
