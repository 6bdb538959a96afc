"""What the command names, as a list of files: files, folders of them, here or on object storage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pyarrow import fs

from ...errors import BulkError
from .. import reader
from .plan import Input
from .storage import Location, is_uri, shown

PARQUET = "parquet"
FORMATS = {".txt": "lines", ".text": "lines", ".parquet": PARQUET, **reader.SUFFIXES}
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip")


@dataclass(frozen=True, slots=True)
class Source:
    """An input and how to open it: a URI may carry keys, so it is kept nowhere."""

    input: Input
    uri: str


def found(names: Sequence[str], format_wanted: str | None, but: Location | None = None) -> list[Source]:
    """All files, in the order in which they are named, a folder's by their paths. Raises BulkError.

    Those in `but` are left out: the output may lie within an input.
    """
    sources = [source for name in names for source in _of(name, format_wanted, but)]
    name, times = next(iter(Counter(one.input.name for one in sources).most_common(1)), ("", 0))
    if times > 1:
        raise BulkError(f"{name} is named twice: its lines would be there twice")
    if not sources:
        raise BulkError(f"there is no file of texts in {', '.join(map(shown, names))} ({', '.join(FORMATS)})")
    return sources


def _of(name: str, format_wanted: str | None, but: Location | None) -> Iterator[Source]:
    location = Location(name)
    info = location.info()
    if info.type == fs.FileType.NotFound:
        raise BulkError(f"{shown(name)} is not there")
    if info.type == fs.FileType.File:
        suffix = PurePosixPath(info.path).suffix.lower()
        if suffix in COMPRESSED:
            raise BulkError(f"{shown(name)} is compressed: a range of it cannot be read, so decompress it first")
        if suffix == ".json" and not format_wanted:
            raise BulkError(f"{shown(name)} may be lines of text or of objects: name it, --format lines or jsonl")
        yield Source(_input(shown(name), info, format_wanted or FORMATS.get(suffix, "lines")), location.uri)
        return
    for one in sorted(location.listed(), key=lambda each: each.path):
        below = str(PurePosixPath(one.path).relative_to(location.path.rstrip("/")))
        suffix = PurePosixPath(below).suffix.lower()
        is_hidden = any(part.startswith((".", "_")) for part in PurePosixPath(below).parts)
        is_output = but is not None and location.files.equals(but.files) and _is_in(one.path, but.path)
        if suffix in FORMATS and not is_hidden and not is_output:
            own = _input(f"{shown(name).rstrip('/')}/{below}", one, format_wanted or FORMATS[suffix])
            yield Source(own, location.below(below).uri)


def _is_in(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(PurePosixPath(folder))


def _input(name: str, info: Any, format_name: str) -> Input:
    return Input(name if is_uri(name) else str(Path(name)), format_name, info.size, info.mtime_ns or 0)
