"""Where a model's description comes from: shipped, kept from an earlier start, or asked for now.

What the files of a tokenizer mean is known only to the libraries that read them. So at a model's first start a child
process (the master keeps clear of torch) loads it with sentence-transformers; what it says lies in the cache folder,
under the hash of all files that bear on it and the libraries' versions. The default model's ships with the project.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from functools import cache, partial
from pathlib import Path

import msgspec
import structlog

from ..errors import ModelRefusedError
from . import forms
from .checkpoint import Checkpoint
from .child import ChildDiedError, in_child
from .description import Description
from .kept import kept

VERSION = 2
"""Raised with every change of what a description holds or how it is asked for."""
LIBRARIES = ("sentence-transformers", "transformers", "tokenizers", "torch")
ASKING = "asks sentence-transformers about this model"
SHIPPED = Path(__file__).parent / "descriptions"
log = structlog.get_logger("serve-bert")


class Shipped(msgspec.Struct, frozen=True):
    """A description that comes with the project, and for which files."""

    files_sha256: str
    description: Description


def obtain(checkpoint: Checkpoint, folder: Path | None) -> tuple[Description, bool]:
    """The model's description, and whether it is new; kept in `folder` if there is one.

    Raises ModelRefusedError if the reference cannot load the model whole, or would give no sound vectors.
    """
    shipped = _shipped(checkpoint.files_sha256)
    if shipped:
        return shipped, False
    if not made_with():
        return forms.describe(checkpoint), False
    if folder is None:
        return _ask(checkpoint), True
    path = folder / _name(checkpoint)
    found = _read(path)
    if found:
        return found, False
    return kept(path, ASKING, _read, partial(_ask, checkpoint), msgspec.json.encode), True


@cache
def made_with() -> str:
    """The reference's libraries with their versions; "" if one is not installed."""
    try:
        return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _shipped(files_sha256: str) -> Description | None:
    for path in SHIPPED.glob("*.json"):
        shipped = msgspec.json.decode(path.read_bytes(), type=Shipped)
        if shipped.files_sha256 == files_sha256:
            return shipped.description
    return None


def _ask(checkpoint: Checkpoint) -> Description:
    log.info("asking sentence-transformers about this model, once", model=checkpoint.model_id)
    try:
        return in_child(lambda: _in_the_child(checkpoint))
    except ChildDiedError as error:
        raise ModelRefusedError(f"{checkpoint.directory}: sentence-transformers cannot load it: {error}") from None


def _in_the_child(checkpoint: Checkpoint) -> Description:
    from . import reference

    return reference.describe(checkpoint, made_with())


def _name(checkpoint: Checkpoint) -> str:
    libraries = hashlib.sha256(made_with().encode()).hexdigest()
    return f"{checkpoint.files_sha256[:32]}-described-{libraries[:8]}-v{VERSION}.json"


def _read(path: Path) -> Description | None:
    """None if there is none, or it is torn or altered."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Description)
    except (OSError, msgspec.DecodeError):
        return None
    return found if found.is_sound else None
