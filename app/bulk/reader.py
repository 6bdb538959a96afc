"""Records of a file to chunks of texts with their ids; what cannot be a text is set aside with the reason.

A chunk ends after so many lines or bytes, counted from its own beginning: whoever reads on from a place where a chunk
ended gets the same chunks as whoever read on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from ..errors import BulkError
from . import records
from .records import BYTE_ORDER_MARK, Id, NoTextError, Record, start_of

Format = Literal["lines", "jsonl", "csv", "tsv"]
CHUNK_LINES = 128
CHUNK_BYTES = 1 << 15
SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jsonlines": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
}
DELIMITERS = {"csv": ",", "tsv": "\t"}


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


@dataclass(frozen=True, slots=True)
class Reader:
    """A file of texts: a text a line, or a JSON object a line or a row of a CSV, with the text in a named field.

    An id is a named field, else the number of the line, or of a row's first line. Empty lines give nothing, but count.
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
            yield from self.read(file, start)

    def read(self, file: BinaryIO, start: Place, end_bytes: int | None = None) -> Iterator[Chunk]:
        """Chunks of an open file from a place on where a record begins, up to where one ends. Raises BulkError."""
        columns = self.columns(file)
        file.seek(start.offset)
        found, place = self._records(file), start
        while end_bytes is None or place.offset < end_bytes:
            chunk = self._chunk(found, place, end_bytes, columns)
            if chunk.end == place:
                return
            place = chunk.end
            yield chunk

    def columns(self, file: BinaryIO) -> Sequence[str]:
        """Of a CSV, as its first row names them; else none. Raises BulkError if those that are wanted are not there."""
        if self.format not in DELIMITERS:
            return ()
        file.seek(0)
        first = next(self._records(file), None)
        if first is None or not first.row:
            why = "it is empty" if first is None else first.fault or "its first line is empty"
            raise BulkError(f"{self.path} is no {self.format.upper()}: {why}")
        columns = [first.row[0].removeprefix("\ufeff"), *first.row[1:]]
        for name in filter(None, (self.text_field, self.id_field)):
            if name not in columns:
                raise BulkError(f"{self.path} has no column {name!r}, but {', '.join(columns)}")
        return columns

    def _records(self, file: BinaryIO) -> Iterator[Record]:
        if delimiter := DELIMITERS.get(self.format):
            return records.rows(file, self.max_line_bytes, delimiter)
        return records.lines(file, self.max_line_bytes)

    def _chunk(self, found: Iterator[Record], place: Place, end_bytes: int | None, columns: Sequence[str]) -> Chunk:
        chunk, offset, line = Chunk(place), place.offset, place.line
        until = place.offset + CHUNK_BYTES if end_bytes is None else min(place.offset + CHUNK_BYTES, end_bytes)
        while line - place.line < CHUNK_LINES and offset < until and (record := next(found, None)):
            try:
                if not (columns and offset == 0):
                    self._take(chunk, record, line + 1, columns, is_first=offset == 0)
            except NoTextError as error:
                chunk.rejected.append(Rejected(line + 1, str(error), start_of(record.first_line)))
            offset += record.bytes
            line += record.lines
        chunk.end = Place(offset, line)
        return chunk

    def _take(self, chunk: Chunk, record: Record, number: int, columns: Sequence[str], *, is_first: bool) -> None:
        if record.fault:
            raise NoTextError(record.fault)
        found = self._row(record, number, columns) if columns else self._line(record, number, is_first=is_first)
        if found is None:
            return
        text, name = found
        records.check_length(text, self.max_chars)
        chunk.texts.append(text)
        chunk.ids.append(name)
        chunk.lines.append(number)

    def _row(self, record: Record, number: int, columns: Sequence[str]) -> tuple[str, Id] | None:
        if not record.row:
            return None
        return records.text_and_id(records.from_row(record.row, columns), self.text_field, self.id_field, number)

    def _line(self, record: Record, number: int, *, is_first: bool) -> tuple[str, Id] | None:
        content = record.first_line.removeprefix(BYTE_ORDER_MARK) if is_first else record.first_line
        content = content.rstrip(b"\r\n")
        if not content or (self.format == "jsonl" and not content.strip()):
            return None
        if self.format == "lines":
            return records.text_of_line(content), number
        return records.text_and_id(records.from_json(content), self.text_field, self.id_field, number)


def format_of(path: Path) -> Format:
    """What the name of a file promises."""
    return SUFFIXES.get(path.suffix.lower(), "lines")
