"""How far a file of vectors is, kept beside it: what it is made of and by what, and where each part ends for good."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ..errors import BulkError
from .reader import Place
from .whole import write_whole


class Input(msgspec.Struct, frozen=True):
    """A file as it was when it was opened."""

    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path) -> Input:
        """As it is now. Raises OSError."""
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns)


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """All that the bytes depend on; whoever goes on must have the same."""

    input: Input
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


class Record(msgspec.Struct, kw_only=True):
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


def read(path: Path) -> Record | None:
    """What is recorded; None if nothing is. Raises JournalError if it is no journal."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise JournalError(f"{path} is damaged ({error}); --overwrite begins anew") from None


def write(path: Path, record: Record) -> None:
    """Record it, whole or not at all. What it speaks of must be on disk. Raises JournalError."""
    try:
        write_whole(path, msgspec.json.encode(record), path.with_suffix(".tmp"))
    except OSError as error:
        raise JournalError(f"{path} cannot be written: {error.strerror or error}") from None


def difference(begun: Recipe, now: Recipe) -> str:
    """In what two recipes differ first, as a sentence's end; "" if in nothing."""
    if begun.input != now.input:
        was, is_now = (
            f"{one.size_bytes} bytes, written at {_time(one.modified_ns)}" for one in (begun.input, now.input)
        )
        return f"its input was another file ({was}; now {is_now})"
    for name in Recipe.__struct_fields__:
        old, new = getattr(begun, name), getattr(now, name)
        if old != new:
            return f"{name} was {old!r} and is {new!r}"
    return ""


def _time(modified_ns: int) -> str:
    return datetime.fromtimestamp(modified_ns / 1e9, UTC).isoformat(sep=" ", timespec="milliseconds")
