"""The packed file: the weights in the kernel's own layout, made once, mapped by every worker.

It lies in the cache folder under a name made of the source's sha256, the precision and the layout's version. Whoever
comes first makes it, under a lock, in a temporary file that is renamed once it is whole; where the folder cannot be
written, it lies in anonymous memory that the fleet shares. Either way the master hands its descriptor to the workers
through the fork, and each maps it on its own. Where the matrices must be quantised first, a child process does it all.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BufferedReader, BufferedWriter
from pathlib import Path

import structlog

from ...errors import ConfigurationError
from ..child import in_child
from ..waiting import lock
from .layout import LAYOUT, Read, Tensor
from .matrix import Quantised

Quantise = Callable[[Read], Quantised]
"""What a source becomes before int8 tensors are made of it: long work that takes much memory."""
log = structlog.get_logger("serve-bert")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a packed file must hold, to the byte of its header; `sha256` of what it is made from."""

    sha256: str
    precision: str
    tensors: Sequence[Tensor]

    @property
    def name(self) -> str:
        """Its file name in the cache folder."""
        return f"{self.sha256[:32]}-{self.precision}-v{LAYOUT}.safetensors"

    def header(self, payload_sha256: str) -> bytes:
        """Length and JSON header, filled up with spaces so that the tensors begin at a multiple of 64 bytes."""
        entries: dict[str, object] = {
            "__metadata__": {
                "format": "serve-bert packed",
                "layout": str(LAYOUT),
                "precision": self.precision,
                "source_sha256": self.sha256,
                "payload_sha256": payload_sha256,
            }
        }
        offset = 0
        for tensor in self.tensors:
            end = offset + tensor.byte_count
            entries[tensor.name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [offset, end]}
            offset = end
        text = json.dumps(entries, separators=(",", ":")).encode()
        text += b" " * (-(8 + len(text)) % 64)
        return len(text).to_bytes(8, "little") + text

    @property
    def header_bytes(self) -> int:
        """The header's size, which does not depend on the payload."""
        return len(self.header("0" * 64))

    @property
    def file_bytes(self) -> int:
        """The whole file's size."""
        return self.header_bytes + sum(tensor.byte_count for tensor in self.tensors)


Write = Callable[[BufferedWriter], None]


@dataclass(frozen=True)
class Packed:
    """A verified packed file, open for as long as this object lives."""

    descriptor: int
    place: str
    """Its path, or "anonymous memory"."""
    made: bool
    """Whether it had to be made."""
    why: str = ""
    """Why it does not lie in the cache folder, if it does not."""

    def __post_init__(self) -> None:
        weakref.finalize(self, os.close, self.descriptor)


def obtain(contents: Contents, folder: Path | None, read: Read, quantise: Quantise | None = None) -> Packed:
    """The packed file of these contents: that in `folder` if it is sound, else a new one; without folder, in memory.

    `quantise` for int8 alone. Raises what it raises, or ChildDiedError.
    """

    def write(file: BufferedWriter) -> None:
        if quantise is None:
            _write(contents, file, read)
        else:
            in_child(lambda: _write(contents, file, quantise(read)))

    if folder is None:
        return _in_memory(write, "there is no cache folder")
    try:
        found = _find(contents, folder / contents.name)
        return found or _make(contents, folder / contents.name, write)
    except OSError as error:
        log.warning("weights are packed at each start", folder=str(folder), reason=error.strerror)
        return _in_memory(write, f"{folder} cannot be used: {error.strerror}")


def _find(contents: Contents, path: Path) -> Packed | None:
    """The file at `path`, if it is sound. A folder that is read-only but filled will do."""
    descriptor = _open_sound(contents, path)
    return None if descriptor is None else Packed(descriptor, str(path), made=False)


def _make(contents: Contents, path: Path, write: Write) -> Packed:
    """A new file at `path`, unless another process was faster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with lock(path.parent / f"{contents.name}.lock", "packs the weights"):
        return _find(contents, path) or _make_locked(path, write)


def _make_locked(path: Path, write: Write) -> Packed:
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)  # what a killed process left: the lock is ours
    try:
        with temporary.open("xb") as file:
            write(file)
            os.fchmod(file.fileno(), 0o444)
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return Packed(os.open(path, os.O_RDONLY), str(path), made=True)


def _open_sound(contents: Contents, path: Path) -> int | None:
    """A descriptor of the file at `path`; None if there is none, or it is stale, torn or another's."""
    try:
        with path.open("rb") as file:
            is_sound = _is_sound(contents, file)
            return os.dup(file.fileno()) if is_sound else None
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_sound(contents: Contents, file: BufferedReader) -> bool:
    """Whether the header is the one that these contents have, and the payload the one that the header promises."""
    if os.fstat(file.fileno()).st_size != contents.file_bytes:
        return False
    header = file.read(contents.header_bytes)
    return header == contents.header(hashlib.file_digest(file, "sha256").hexdigest())


def _in_memory(write: Write, why: str) -> Packed:
    try:
        descriptor = os.memfd_create("serve-bert-packed", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError as error:
        return _in_a_file_without_a_name(write, f"{why}, and memory without a file is refused: {error.strerror}")
    with os.fdopen(os.dup(descriptor), "wb") as file:
        write(file)
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return Packed(descriptor, "anonymous memory", made=True, why=why)


def _in_a_file_without_a_name(write: Write, why: str) -> Packed:
    """Where a sandbox refuses memfd_create: what can write to it is closed once it is whole."""
    try:
        nameless, path = tempfile.mkstemp()
        Path(path).unlink()
        with os.fdopen(nameless, "wb") as file:
            write(file)
            file.flush()
            descriptor = os.open(f"/proc/self/fd/{nameless}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigurationError(f"BERT_CACHE: {why}; nor can a temporary file be made: {error.strerror}") from None
    return Packed(descriptor, "a temporary file", made=True, why=why)


def _write(contents: Contents, file: BufferedWriter, read: Read | Quantised) -> None:
    """The tensors first, their hash in the header last: a file that was cut short has no valid header."""
    digest = hashlib.sha256()
    file.seek(contents.header_bytes)
    for tensor in contents.tensors:
        payload = tensor.make(read).data.cast("B")
        if len(payload) != tensor.byte_count:
            raise ValueError(f"{tensor.name}: {len(payload)} bytes made, {tensor.byte_count} promised")
        digest.update(payload)
        file.write(payload)
    file.seek(0)
    file.write(contents.header(digest.hexdigest()))
    file.flush()
