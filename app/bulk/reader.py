"""Lines of a file to chunks of texts with their ids; what cannot be a text is set aside with the reason.

A chunk ends after so many lines or bytes, counted from its own beginning: whoever reads on from a place where a chunk
ended gets the same chunks as whoever read on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec

Id = int | str
Format = Literal["lines", "jsonl"]
CHUNK_LINES = 128
CHUNK_BYTES = 1 << 15
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
START_CHARS = 80
JSON_SUFFIXES = (".jsonl", ".ndjson", ".jsonlines")


class Place(msgspec.Struct, frozen=True):
    """A place between two lines of a file."""

    offset: int = 0
    """Bytes before it."""
    line: int = 0
    """Lines before it."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that gives no vector."""

    line: int
    reason: str
    start: str
    """Its first characters; bytes that are no UTF-8 as \\xNN."""


@dataclass(slots=True)
class Chunk:
    """Some lines of a file: three lists of equal length, and those that were set aside."""

    end: Place
    """Where the next chunk begins."""
    texts: list[str] = field(default_factory=list)
    ids: list[Id] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    """Of each text, from 1 on; empty lines count."""
    rejected: list[Rejected] = field(default_factory=list)


class _RejectedError(Exception):
    """Why a line gives no text."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A file of texts: a text a line, or a JSON object a line with the text in a named field.

    An id is a named field of the object, else the line's number. Empty lines give nothing, but count.
    """

    path: Path
    format: Format
    text_field: str = "text"
    id_field: str = ""
    """"": ids are the lines' numbers."""
    max_chars: int = 100_000
    max_line_bytes: int = 8 << 20

    def chunks(self, start: Place = Place()) -> Iterator[Chunk]:  # noqa: B008 - frozen
        """All chunks from a place on where a chunk ended. Raises OSError if the file cannot be read."""
        with self.path.open("rb") as file:
            file.seek(start.offset)
            place = start
            while True:
                chunk = self._chunk(file, place)
                if chunk.end == place:
                    return
                place = chunk.end
                yield chunk

    def _chunk(self, file: BinaryIO, place: Place) -> Chunk:
        chunk, offset, number = Chunk(place), place.offset, place.line
        while number - place.line < CHUNK_LINES and offset - place.offset < CHUNK_BYTES:
            line = file.readline(self.max_line_bytes + 1)
            if not line:
                break
            size = len(line) if line.endswith(b"\n") else len(line) + _skip_line(file)
            number += 1
            try:
                self._take(chunk, line, number, is_first=offset == 0)
            except _RejectedError as error:
                chunk.rejected.append(Rejected(number, str(error), start_of(line)))
            offset += size
        chunk.end = Place(offset, number)
        return chunk

    def _take(self, chunk: Chunk, line: bytes, number: int, *, is_first: bool) -> None:
        if len(line) > self.max_line_bytes:
            raise _RejectedError(f"the line has more than {self.max_line_bytes} bytes")
        content = line.removeprefix(BYTE_ORDER_MARK) if is_first else line
        content = content.rstrip(b"\r\n")
        if not content or (self.format == "jsonl" and not content.strip()):
            return
        text, name = (_decoded(content), number) if self.format == "lines" else self._from_json(content, number)
        if len(text) > self.max_chars:
            raise _RejectedError(f"the text has {len(text)} characters, but a text may have {self.max_chars}")
        chunk.texts.append(text)
        chunk.ids.append(name)
        chunk.lines.append(number)

    def _from_json(self, line: bytes, number: int) -> tuple[str, Id]:
        _decoded(line)
        try:
            found = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise _RejectedError(f"no JSON: {error}") from None
        if not isinstance(found, dict):
            raise _RejectedError(f"no JSON object, but {_kind(found)}")
        text = _member(found, self.text_field)
        if not isinstance(text, str):
            raise _RejectedError(f"{self.text_field!r} is {_kind(text)}, not a string")
        if not text:
            raise _RejectedError(f"{self.text_field!r} is empty: there is nothing to encode")
        name = _member(found, self.id_field) if self.id_field else number
        if not isinstance(name, int | str) or isinstance(name, bool):
            raise _RejectedError(f"{self.id_field!r} is {_kind(name)}, neither a string nor a whole number")
        return text, name


def format_of(path: Path) -> Format:
    """What the name of a file promises."""
    return "jsonl" if path.suffix.lower() in JSON_SUFFIXES else "lines"


def start_of(line: bytes | str) -> str:
    """The first characters of a line, to find it by."""
    head = line[: 4 * START_CHARS]
    text = head if isinstance(head, str) else head.decode("utf-8", errors="backslashreplace")
    return text.rstrip("\r\n")[:START_CHARS]


def _skip_line(file: BinaryIO) -> int:
    """Read to the line's end; how many bytes that were."""
    skipped = 0
    while rest := file.readline(1 << 20):
        skipped += len(rest)
        if rest.endswith(b"\n"):
            break
    return skipped


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise _RejectedError(f"no UTF-8: {error.reason} at byte {error.start}") from None


def _member(found: dict[str, Any], name: str) -> Any:
    if name not in found:
        raise _RejectedError(f"there is no field {name!r}")
    return found[name]


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
