"""A model that has been found, read and checked, but not loaded: the facts that the whole fleet shares.

The master verifies once, before anything listens; every worker inherits the result through the fork and maps the
same files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ..errors import ModelRefusedError
from . import bert, weightfiles
from . import recipe as recipes
from . import source as sources
from .kept import cache_folder
from .recipe import Recipe

TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
# Files beside the weights that may bear on a vector, by the ends of their names.
BEARING = (".json", ".txt", ".model", ".jinja", ".tiktoken")


@dataclass(frozen=True)
class Checkpoint:
    """A verified model on disk."""

    directory: Path
    model_id: str
    revision: str
    recipe: Recipe
    weights: tuple[weightfiles.WeightFile, ...]
    tensors: Mapping[str, bert.Place]
    """Of BERT's family: where each tensor of the encoder lies; else empty."""
    wanted_tokens: int = 0
    """BERT_MAX_TOKENS, a limit below the model's own; 0: that one."""

    @property
    def sha256(self) -> str:
        """The weights' sha256; of several files, that of their hashes in order."""
        digests = [file.sha256 for file in self.weights]
        return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()

    @cached_property
    def files_sha256(self) -> str:
        """Of all files that bear on a vector, weights and names included: the same files, the same vectors."""
        folders = {module.directory for module in self.recipe.modules} - {self.directory}
        lines = [f"{file.name} {file.sha256}" for file in self.weights]
        lines += [self.bearing_sha256(self.directory), *map(self.bearing_sha256, sorted(folders))]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def bearing_sha256(self, folder: Path) -> str:
        """Of a module's files beside its weights, and of those below it unless it lies in the model's own folder."""
        paths = folder.iterdir() if folder == self.directory else folder.rglob("*")
        bearing = sorted(path for path in paths if path.name.endswith(BEARING) and path.is_file())
        lines = [f"{path.relative_to(self.directory).as_posix()} {_sha256(path)}" for path in bearing]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def verify(model: str, *, sha256: str = "", max_tokens: int = 0, cache: str = "") -> Checkpoint:
    """Find the model that BERT_MODEL names and check its files without loading it.

    `sha256` is what its weights must have ("" if the user did not say); `max_tokens` is to lower the model's own limit
    (0: keep it); `cache` is BERT_CACHE. Raises ModelRefusedError with one line.
    """
    source = sources.locate(model, cache_folder(cache))
    recipe = recipes.read(source.directory)
    files = weightfiles.verify(source.directory, recipe.weighted, recipe.perhaps_weighted, source.known_sha256)
    transformer = recipe.modules[0].directory
    own = [file for file in files if file.path.parent == transformer]
    _check_tokenizer(transformer)
    checkpoint = Checkpoint(
        directory=source.directory,
        model_id=source.model_id,
        revision=source.revision,
        recipe=recipe,
        weights=files,
        tensors=bert.place(recipe.config, own, source.directory) if bert.is_one(recipe.config) else {},
        wanted_tokens=max_tokens,
    )
    if sha256 and checkpoint.sha256 != sha256:
        raise ModelRefusedError(
            f"{source.directory}: its weights' sha256 is {checkpoint.sha256}, but {sha256} is expected"
        )
    published = sources.PUBLISHED.get(checkpoint.sha256)
    return replace(checkpoint, model_id=published) if published else checkpoint


def _check_tokenizer(directory: Path) -> None:
    if not any((directory / name).is_file() for name in TOKENIZER_FILES):
        raise ModelRefusedError(f"{directory}: no tokenizer (none of {', '.join(TOKENIZER_FILES)})")


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelRefusedError(f"{path}: cannot be read: {error.strerror}") from None
