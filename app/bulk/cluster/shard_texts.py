"""A shard's texts, read as the local way reads them."""

from __future__ import annotations

from typing import Any, BinaryIO

import pyarrow.parquet

from ...errors import BulkError
from .. import records
from ..reader import Chunk, Place, Rejected
from ..records import NoTextError
from .cut import parquet_columns, reader_of
from .inputs import PARQUET, Source
from .plan import Recipe, Shard
from .storage import Location, telling


def read(source: Source, shard: Shard, recipe: Recipe) -> Chunk:
    """All of them in one chunk. Raises BulkError if the file cannot be read, or is another than it was."""
    location = Location(source.uri)
    _check_unchanged(location, source)
    with location.opened() as file, telling(source.uri):
        texts_of = _rows if source.input.format == PARQUET else _lines
        found = texts_of(file, source, shard, recipe)
    _check_unchanged(location, source)
    return found


def _lines(file: BinaryIO, source: Source, shard: Shard, recipe: Recipe) -> Chunk:
    whole = Chunk(Place(shard.start, shard.line))
    for chunk in reader_of(source, recipe).read(file, whole.end, shard.end):
        whole.texts += chunk.texts
        whole.ids += chunk.ids
        whole.lines += chunk.lines
        whole.rejected += chunk.rejected
        whole.end = chunk.end
    return whole


def _rows(file: BinaryIO, source: Source, shard: Shard, recipe: Recipe) -> Chunk:
    found = pyarrow.parquet.ParquetFile(file)
    columns = parquet_columns(found, source.input.name, recipe)
    table = found.read_row_group(shard.group, columns=columns)
    rows = table.slice(shard.start, shard.end - shard.start).to_pylist()
    whole = Chunk(Place(shard.end, shard.line + len(rows)))
    for number, row in enumerate(rows, start=shard.line + 1):
        try:
            _take(whole, row, number, recipe)
        except NoTextError as error:
            start = records.start_of(str(row[recipe.text_field] or ""))
            whole.rejected.append(Rejected(number, str(error), start))
    return whole


def _take(whole: Chunk, row: dict[str, Any], number: int, recipe: Recipe) -> None:
    text, name = records.text_and_id(row, recipe.text_field, recipe.id_field, number)
    records.check_length(text, recipe.max_chars)
    whole.texts.append(text)
    whole.ids.append(name)
    whole.lines.append(number)


def _check_unchanged(location: Location, source: Source) -> None:
    info = location.info()
    if (info.size, info.mtime_ns or 0) != (source.input.size_bytes, source.input.modified_ns):
        raise BulkError(f"{source.input.name} has changed since the plan was made: which lines are whose, nobody knows")
