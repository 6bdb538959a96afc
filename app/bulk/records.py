"""What a record of a file gives: a line, a JSON object, or a row of a CSV; its text and its id, or why it has none."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import msgspec

Id = int | str
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
START_CHARS = 80
# A record's bytes are bounded here, so a field needs no bound of its own.
csv.field_size_limit(1 << 30)


class NoTextError(Exception):
    """Why a record gives no text."""


@dataclass(frozen=True, slots=True)
class Record:
    """Some bytes of a file, from the beginning of a line to the end of one."""

    first_line: bytes
    """Of a line that is too long, only its beginning."""
    bytes: int
    lines: int = 1
    row: Sequence[str] | None = None
    """Of a CSV; bytes that are no UTF-8 as surrogates."""
    fault: str = ""


def lines(file: BinaryIO, max_bytes: int) -> Iterator[Record]:
    """Each line from here on."""
    while line := file.readline(max_bytes + 1):
        if len(line) <= max_bytes:
            yield Record(line, len(line))
        else:
            size = len(line) if line.endswith(b"\n") else len(line) + _skip_line(file)
            yield Record(line, size, fault=f"the line has more than {max_bytes} bytes")


def rows(file: BinaryIO, max_bytes: int, delimiter: str) -> Iterator[Record]:
    """Each row of a CSV (RFC 4180) from here on: a quoted field may have line ends in it.

    After one that cannot be read it goes on with the next line: a quotation mark that is never closed costs that line.
    """
    while True:
        begin, source = file.tell(), _Lines(file, max_bytes)
        try:
            row = next(csv.reader(source, delimiter=delimiter, strict=True), None)
        except (csv.Error, NoTextError) as error:
            first = source.first
            size = len(first) if first.endswith(b"\n") or source.count > 1 else len(first) + _skip_line(file)
            file.seek(begin + size)
            yield Record(first, size, fault=f"no CSV: {error}")
            continue
        if row is None:
            return
        yield Record(source.first, source.bytes, source.count, row)


class _Lines:
    """The lines of one row, counted."""

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self.first = b""
        self.bytes = self.count = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(self._max_bytes + 1)
        if not line:
            raise StopIteration
        self.first = self.first or line
        self.bytes += len(line)
        self.count += 1
        if self.bytes > self._max_bytes:
            raise NoTextError(f"the row has more than {self._max_bytes} bytes")
        return line.decode("utf-8", errors="surrogateescape")


def text_of_line(content: bytes) -> str:
    """Raises NoTextError."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise NoTextError(f"no UTF-8: {error.reason} at byte {error.start}") from None


def text_and_id(found: Any, text_field: str, id_field: str, number: int) -> tuple[str, Id]:
    """Of an object, or a row by its columns' names; the id is `number` without a field for it. Raises NoTextError."""
    text = _member(found, text_field)
    if not isinstance(text, str):
        raise NoTextError(f"{text_field!r} is {_kind(text)}, not a string")
    if not text:
        raise NoTextError(f"{text_field!r} is empty: there is nothing to encode")
    name = _member(found, id_field) if id_field else number
    if not isinstance(name, int | str) or isinstance(name, bool):
        raise NoTextError(f"{id_field!r} is {_kind(name)}, neither a string nor a whole number")
    return text, name


def check_length(text: str, max_chars: int) -> None:
    """Raises NoTextError."""
    if len(text) > max_chars:
        raise NoTextError(f"the text has {len(text)} characters, but a text may have {max_chars}")


def from_json(content: bytes) -> dict[str, Any]:
    """The object of a line. Raises NoTextError."""
    text_of_line(content)
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise NoTextError(f"no JSON: {error}") from None
    if not isinstance(found, dict):
        raise NoTextError(f"no JSON object, but {_kind(found)}")
    return found


def from_row(row: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    """A row's fields by the columns' names. Raises NoTextError."""
    if len(row) != len(columns):
        raise NoTextError(f"the row has {len(row)} fields, but the first one names {len(columns)}")
    for field in row:
        if not field.isascii():
            text_of_line(field.encode("utf-8", errors="surrogateescape"))
    return dict(zip(columns, row, strict=True))


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


def _member(found: dict[str, Any], name: str) -> Any:
    if name not in found:
        raise NoTextError(f"there is no field {name!r}")
    return found[name]


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
