"""How far a file of vectors is, kept beside it: what it is made of and by what, and where each part ends for good."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from ..errors import BulkError
from .reader import Place


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """All that the bytes depend on; whoever goes on must have the same."""

    input_bytes: int
    input_modified_ns: int
    format: str
    text_field: str
    id_field: str
    max_chars: int
    max_line_bytes: int
    truncate: bool
    fingerprint: str
    """Of the embedding space."""
    engine: str
    precision: str
    sums: str
    max_tokens: int


class Counts(msgspec.Struct, kw_only=True):
    """What has been made so far."""

    vectors: int = 0
    rejected: int = 0
    tokens: int = 0
    cut_texts: int = 0
    lost_tokens: int = 0


class Progress(msgspec.Struct, kw_only=True):
    """A state of the files to which they can be taken back."""

    recipe: Recipe
    place: Place = Place()
    """In the input."""
    part_bytes: dict[str, int] = {}
    """Of each file, by its final name."""
    counts: Counts = msgspec.field(default_factory=Counts)
    is_whole: bool = False
    """Nothing is missing but the files' final names."""


class JournalError(BulkError):
    """There is no going on; the sentence says why."""


def path_for(output: Path) -> Path:
    """Where the record of an output lies until that is whole."""
    return output.with_name(output.name + ".unfinished.json")


def read(path: Path) -> Progress | None:
    """What is recorded; None if nothing is. Raises JournalError if it is no journal."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise JournalError(f"{path} is damaged ({error}); --overwrite begins anew") from None


def write(path: Path, progress: Progress) -> None:
    """Record it, whole or not at all. What it speaks of must be on disk."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(msgspec.json.encode(progress))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def difference(begun: Recipe, now: Recipe) -> str:
    """In what two recipes differ, as a sentence's end; "" if in nothing."""
    named = ((name, getattr(begun, name), getattr(now, name)) for name in Recipe.__struct_fields__)
    return ", ".join(f"{name} was {old!r} and is {new!r}" for name, old, new in named if old != new)
