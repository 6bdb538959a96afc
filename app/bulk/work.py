"""A file of texts to a file of vectors: reader, encoders and writer joined, until all is done or somebody says stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..encoder import ModelInfo
from .encoders import Encoders
from .journal import JournalError, Recipe
from .reader import Chunk, Reader
from .writer import SUFFIXES, Writer, paths_of


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be made of what."""

    reader: Reader
    output: Path
    overwrite: bool
    truncate: bool

    def writer(self, info: ModelInfo) -> Writer:
        """The output, begun or gone on with. Raises JournalError if that cannot be, OSError."""
        return Writer(self.output, self._recipe(info), info.dimension, overwrite=self.overwrite)

    def check(self) -> None:
        """Raise JournalError if the output cannot be one: before anything long begins."""
        if self.output.suffix not in SUFFIXES:
            raise JournalError(f"{self.output}: an output's name ends with {' or '.join(SUFFIXES)}")
        if not self.output.parent.is_dir():
            raise JournalError(f"{self.output.parent} is no folder")
        if self.reader.path.resolve() in (path.resolve() for path in paths_of(self.output)):
            raise JournalError(f"{self.output}: the output would take the input's place")

    def _recipe(self, info: ModelInfo) -> Recipe:
        reader, status = self.reader, self.reader.path.stat()
        return Recipe(
            input_bytes=status.st_size,
            input_modified_ns=status.st_mtime_ns,
            format=reader.format,
            text_field=reader.text_field,
            id_field=reader.id_field,
            max_chars=reader.max_chars,
            max_line_bytes=reader.max_line_bytes,
            truncate=self.truncate,
            fingerprint=info.fingerprint,
            engine=info.engine,
            precision=info.precision,
            sums=info.sums,
            max_tokens=info.max_tokens,
        )


def run(
    reader: Reader, encoders: Encoders, writer: Writer, tell: Callable[[Writer], None], is_stopped: Callable[[], bool]
) -> bool:
    """Encode what is missing; whether all of it is done. `tell` is called after each chunk.

    What is under way when somebody says stop is finished and written first.
    """
    if not writer.is_whole:
        for encoded in encoders.encode(_until(is_stopped, reader.chunks(writer.place))):
            writer.write(encoded)
            tell(writer)
        if is_stopped() and writer.place.offset < reader.path.stat().st_size:
            return False
    writer.finish()
    return True


def _until(is_stopped: Callable[[], bool], chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        if is_stopped():
            return
        yield chunk
