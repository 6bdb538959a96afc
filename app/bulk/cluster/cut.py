"""Inputs to shards: lines are counted range by range, in tasks, so that each line has its number wherever it is read.

A file of lines is cut at the first line that begins at or after each multiple of the shard's size; ranges know nothing
of each other but the byte before them. A CSV may have line ends within its fields, so one task reads it from its
beginning, as it will be read later. A Parquet file says how many rows each of its groups has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

import pyarrow
import pyarrow.parquet

from ...errors import BulkError
from ..reader import DELIMITERS, Place, Reader
from .inputs import PARQUET, Source
from .plan import Recipe, Shard
from .storage import Location, telling

# What one task counts.
RANGE_BYTES = 256 << 20
BLOCK_BYTES = 4 << 20
# Rows of a Parquet file say little of their bytes.
SHARD_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Range:
    """A piece of a file that one task looks through."""

    input: int
    source: Source
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a shard begins, by bytes, and how many lines are before it in its range; of Parquet, by rows of a group."""

    start: int
    line: int
    end: int = -1
    """-1: where the next one begins, or the file ends."""
    group: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """What a range has."""

    range: Range
    cuts: list[Cut]
    lines: int


def ranges(sources: Sequence[Source], shard_bytes: int) -> list[Range]:
    """All that has to be looked through, in order."""
    step = max(1, RANGE_BYTES // shard_bytes) * shard_bytes
    found = []
    for index, source in enumerate(sources):
        size = source.input.size_bytes
        is_whole = source.input.format == PARQUET or source.input.format in DELIMITERS
        starts = range(0, size, max(size, 1) if is_whole else step)
        found += [Range(index, source, start, size if is_whole else min(start + step, size)) for start in starts]
    return found


def count(one: Range, recipe: Recipe) -> Counted:
    """In a task: look through a range. Raises BulkError."""
    with Location(one.source.uri).opened() as file, telling(one.source.uri):
        if one.source.input.format == PARQUET:
            return _groups(file, one, recipe)
        if one.source.input.format in DELIMITERS:
            return _rows(file, one, recipe)
        return _lines(file, one, recipe.shard_bytes)


def shards(counted: Sequence[Counted]) -> list[Shard]:
    """All of them, numbered in the order of the inputs and of their lines."""
    found: list[Shard] = []
    for place, ranges_of_one in groupby(counted, key=lambda one: one.range.input):
        lines, cuts, size = 0, [], 0
        for one in ranges_of_one:
            cuts += [Cut(cut.start, lines + cut.line, cut.end, cut.group) for cut in one.cuts]
            lines, size = lines + one.lines, one.range.end
        ends = [*(cut.start for cut in cuts[1:]), size]
        for cut, next_start in zip(cuts, ends, strict=True):
            end = next_start if cut.end < 0 else cut.end
            found.append(Shard(len(found), place, cut.start, end, cut.line, cut.group))
    return found


def reader_of(source: Source, recipe: Recipe) -> Reader:
    """The local way's own."""
    return Reader(
        Path(source.input.name),
        source.input.format,  # type: ignore[arg-type]
        text_field=recipe.text_field,
        id_field=recipe.id_field,
        max_chars=recipe.max_chars,
        max_line_bytes=recipe.max_line_bytes,
    )


def parquet_columns(file: pyarrow.parquet.ParquetFile, name: str, recipe: Recipe) -> list[str]:
    """Those that are read. Raises BulkError if they are not there, or are not texts."""
    wanted = [recipe.text_field, *filter(None, [recipe.id_field])]
    schema = file.schema_arrow
    for column in wanted:
        if column not in schema.names:
            raise BulkError(f"{name} has no column {column!r}, but {', '.join(schema.names)}")
    kind = schema.field(recipe.text_field).type
    if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)):
        raise BulkError(f"{name}: its column {recipe.text_field!r} has {kind}, not strings")
    return wanted


def _lines(file: BinaryIO, one: Range, shard_bytes: int) -> Counted:
    """The line that begins at a range's first byte is that range's, so it looks at the byte before."""
    cuts = [Cut(0, 0)] if one.start == 0 else []
    wanted = max(one.start, shard_bytes)
    lines = 0
    file.seek(max(one.start - 1, 0))
    if one.start and file.read(1) == b"\n":
        cuts.append(Cut(one.start, 0))
        wanted = one.start + shard_bytes
    for offset, block in _blocks(file, one.start, one.end):
        begin = 0
        while (end := block.find(b"\n", max(begin, wanted - 1 - offset))) >= 0:
            lines += block.count(b"\n", begin, end + 1)
            begin, start = end + 1, offset + end + 1
            if start < one.end:  # else it is the next range's
                cuts.append(Cut(start, lines))
            wanted = -(-(start + 1) // shard_bytes) * shard_bytes
        lines += block.count(b"\n", begin)
    return Counted(one, cuts, lines)


def _blocks(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    while start < end and (block := file.read(min(BLOCK_BYTES, end - start))):
        yield start, block
        start += len(block)


def _rows(file: BinaryIO, one: Range, recipe: Recipe) -> Counted:
    cuts, place = [Cut(0, 0)], Place()
    for chunk in reader_of(one.source, recipe).read(file, place):
        if place.offset - cuts[-1].start >= recipe.shard_bytes:
            cuts.append(Cut(place.offset, place.line))
        place = chunk.end
    return Counted(one, cuts, place.line)


def _groups(file: BinaryIO, one: Range, recipe: Recipe) -> Counted:
    try:
        found = pyarrow.parquet.ParquetFile(file)
    except pyarrow.ArrowInvalid as error:
        raise BulkError(f"{one.source.input.name} is no Parquet: {' '.join(str(error).split())}") from None
    parquet_columns(found, one.source.input.name, recipe)
    cuts, before = [], 0
    for group in range(found.num_row_groups):
        rows = found.metadata.row_group(group).num_rows
        starts = range(0, rows, SHARD_ROWS)
        cuts += [Cut(start, before + start, min(start + SHARD_ROWS, rows), group) for start in starts]
        before += rows
    return Counted(one, cuts, before)
