"""A file of texts to a file of vectors: reader, encoders and writer joined, until all is done or somebody says stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..encoder import ModelInfo
from .encoders import Encoders
from .journal import Input, JournalError, Recipe
from .reader import Chunk, Reader
from .writer import BESIDE, SUFFIXES, Writer, paths_of


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be made of what."""

    reader: Reader
    output: Path
    overwrite: bool
    truncate: bool

    def check(self) -> None:
        """Raise BulkError if input or output cannot be one: before anything long begins."""
        path, output = self.reader.path, self.output
        if not path.is_file():
            raise JournalError(
                f"{path} is no regular file: what is read is counted, and read again from where it ended"
            )
        if output.suffix not in SUFFIXES or output.name.endswith(BESIDE):
            raise JournalError(
                f"{output}: an output's name ends with {' or '.join(SUFFIXES)}, not {' or '.join(BESIDE)}"
            )
        with path.open("rb") as file:
            self.reader.columns(file)
        if not output.parent.is_dir():
            raise JournalError(f"{output.parent} is no folder")
        if path.resolve() in (own.resolve() for own in paths_of(output)):
            raise JournalError(f"{output}: the output would take the input's place")

    def writer(self, info: ModelInfo) -> Writer:
        """The output, begun or gone on with. Raises JournalError if that cannot be."""
        return Writer(self.output, self._recipe(info), info.dimension, overwrite=self.overwrite)

    def run(
        self, encoders: Encoders, writer: Writer, tell: Callable[[Writer], None], is_stopped: Callable[[], bool]
    ) -> bool:
        """Encode what is missing; whether all of it is done. `tell` is called after each chunk.

        What is under way when somebody says stop is finished and written first. Raises JournalError if the input
        changes meanwhile, EncodersDiedError, OSError.
        """
        path = self.reader.path
        if not writer.is_whole:
            for encoded in encoders.encode(_until(is_stopped, self.reader.chunks(writer.place))):
                writer.write(encoded)
                tell(writer)
            if Input.of(path) != writer.recipe.input:
                raise JournalError(f"{path} has changed while it was read: which lines are whose, nobody knows")
            if writer.place.offset < writer.recipe.input.size_bytes:
                return False
        writer.finish()
        return True

    def _recipe(self, info: ModelInfo) -> Recipe:
        reader = self.reader
        return Recipe(
            input=Input.of(reader.path),
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


def _until(is_stopped: Callable[[], bool], chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        if is_stopped():
            return
        yield chunk
