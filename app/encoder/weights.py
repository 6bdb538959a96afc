"""Whether the weight files are the right ones: no pickle, a sound header, the known sha256, the promised shapes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from app.encoder.recipe import Recipe
from app.errors import ModelRefusedError

PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
# sentence-transformers modules that have weights of their own, beside the Transformer.
WEIGHTED = ("Dense", "LayerNorm", "StaticEmbedding", "WordEmbeddings", "CNN", "LSTM", "WeightedLayerPooling")
BERT_FAMILY = ("bert", "roberta", "xlm-roberta", "camembert")
SIZES = (
    "hidden_size",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
    "type_vocab_size",
    "num_hidden_layers",
)
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One verified safetensors file."""

    path: Path
    name: str
    """Path relative to the model's directory."""
    sha256: str
    shapes: Shapes
    identity: tuple[int, ...]
    """Device, inode, size and time of change: who maps the file later must find the same."""

    def check_unchanged(self) -> None:
        """Raise ModelRefusedError if the file is not the one that was verified."""
        if _identity(self.path) != self.identity:
            raise ModelRefusedError(f"{self.path}: has changed since it was verified; a reload (HUP) verifies it again")


def verify(directory: Path, recipe: Recipe, known_sha256: dict[str, str]) -> tuple[WeightFile, ...]:
    """Check every weight file that the recipe's modules load.

    `known_sha256` maps a file's path relative to `directory` to the hash it must have.
    Raises ModelRefusedError with one line that names the file.
    """
    files = []
    for path in _needed(recipe):
        name = path.relative_to(directory).as_posix()
        identity = _identity(path)
        shapes = _read_header(path)
        digest = _sha256(path)
        if known_sha256.get(name, digest) != digest:
            raise ModelRefusedError(f"{path}: sha256 is {digest}, but {known_sha256[name]} is expected")
        files.append(WeightFile(path, name, digest, shapes, identity))
    if recipe.model_type in BERT_FAMILY:
        transformer = recipe.modules[0].directory
        _check_bert_shapes(directory, recipe, [file for file in files if file.path.parent == transformer])
    return tuple(files)


def _needed(recipe: Recipe) -> Iterator[Path]:
    """The weight files of each module, in the modules' order. Raises ModelRefusedError where there is only a pickle."""
    for index, module in enumerate(recipe.modules):
        if index > 0 and module.kind not in WEIGHTED:
            continue
        index_file = module.directory / "model.safetensors.index.json"
        if (module.directory / "model.safetensors").is_file():
            yield module.directory / "model.safetensors"
        elif index_file.is_file():
            yield from _shards(index_file)
        else:
            _refuse_missing(module.directory)


def _shards(index_file: Path) -> list[Path]:
    try:
        names = set(json.loads(index_file.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise ModelRefusedError(f"{index_file}: is no index of weight files") from None
    paths = [index_file.parent / Path(str(name)).name for name in sorted(names)]
    for path in paths:
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


def _read_header(path: Path) -> Shapes:
    """Each tensor's shape. safetensors checks the header's length, the offsets (no gap, no overlap), the size."""
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
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


def _check_bert_shapes(directory: Path, recipe: Recipe, files: list[WeightFile]) -> None:
    """Compare what config.json promises with what the files hold, whatever prefix ("bert.") the names carry."""
    found = {name: shape for file in files for name, shape in file.shapes.items()}
    prefix = bert_prefix(found)
    for name, shape in _bert_shapes(directory, recipe).items():
        held = found.get(prefix + name)
        if held is None:
            raise ModelRefusedError(f"{directory}: config.json promises tensor {name}, which no weight file holds")
        if held != shape:
            raise ModelRefusedError(
                f"{directory}: config.json promises {name} as {_times(shape)}, the file holds {_times(held)}"
            )


def bert_prefix(names: Iterable[str]) -> str:
    """What a BERT encoder's tensor names begin with: "", or "bert." or the like where the file holds a larger model."""
    marker = "embeddings.word_embeddings.weight"
    return next((name[: -len(marker)] for name in names if name.endswith(marker)), "")


def _bert_shapes(directory: Path, recipe: Recipe) -> Shapes:
    """The tensors of a BERT encoder, as transformers' BertModel names them."""
    size = {name: recipe.config.get(name) for name in SIZES}
    for name, value in size.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ModelRefusedError(f"{directory / 'config.json'}: {name} is missing or no positive integer")
    hidden, inner, vocabulary, positions, types, layers = (int(size[name] or 0) for name in SIZES)
    shapes: Shapes = {
        "embeddings.word_embeddings.weight": (vocabulary, hidden),
        "embeddings.position_embeddings.weight": (positions, hidden),
        "embeddings.token_type_embeddings.weight": (types, hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    }
    linear = {
        "attention.self.query": (hidden, hidden),
        "attention.self.key": (hidden, hidden),
        "attention.self.value": (hidden, hidden),
        "attention.output.dense": (hidden, hidden),
        "intermediate.dense": (inner, hidden),
        "output.dense": (hidden, inner),
    }
    for layer in range(layers):
        for name, (rows, columns) in linear.items():
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (rows, columns)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (rows,)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (hidden,)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (hidden,)
    return shapes


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(str(side) for side in shape) or "a scalar"
