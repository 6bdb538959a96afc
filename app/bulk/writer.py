"""Vectors to a file: .npy with the ids beside it, or JSON lines; rejected lines to a file of their own.

Every two seconds what is written is forced to disk and recorded; whoever goes on cuts each file back to the last
record, so that the bytes are those of a run that nobody stopped.
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import orjson

from . import journal
from .encoders import Encoded
from .journal import Counts, JournalError, Recipe, Record
from .parts import Parts
from .reader import Place

SUFFIXES = (".npy", ".jsonl")
BESIDE = (".ids.jsonl", ".rejected.jsonl")
RECORD_EVERY_S = 2.0
OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE


class Writer:
    """The files of one output; use it as a context manager, which records how far it is when it is left."""

    def __init__(self, output: Path, recipe: Recipe, dimension: int, *, overwrite: bool) -> None:
        """Begin, or go on where the record says. Raises JournalError if neither can be."""
        self.output = output
        self._dimension = dimension
        self._journal = journal.path_for(output)
        self._parts = Parts(paths_of(output))
        try:
            self._state = self._begun(recipe, overwrite=overwrite)
            if not self.is_whole:
                self._parts.cut(self._state.part_bytes)
        except BaseException:
            self._parts.close()
            raise
        if self._is_array and not self._state.part_bytes:
            self._parts.append(output, self._header())
        if not self.is_whole:
            self._record()

    @property
    def rejected_path(self) -> Path:
        """Where the lines are told that gave no vector; there is none if all gave one."""
        return paths_of(self.output)[-1]

    @property
    def place(self) -> Place:
        """The first line that is missing."""
        return self._state.place

    @property
    def recipe(self) -> Recipe:
        """Of what it is made."""
        return self._state.recipe

    @property
    def counts(self) -> Counts:
        """What has been made, by earlier runs too."""
        return self._state.counts

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing but the files' names: an earlier run was stopped just there."""
        return self._state.is_whole

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if not self.is_whole and self._is_sound:
                self._record()
        finally:
            self._parts.close()

    def write(self, encoded: Encoded) -> None:
        """Append a chunk's vectors, ids and rejected lines."""
        chunk, state = encoded.chunk, self._state
        self._is_sound = False  # in the midst of it there is no state to go back to but the last record
        vectors = np.ascontiguousarray(encoded.vectors, dtype="<f4")
        if self._is_array:
            self._parts.append(self.output, vectors.tobytes())
            self._parts.append(paths_of(self.output)[1], _lines(chunk.ids))
        else:
            rows = zip(chunk.ids, vectors, strict=True)
            self._parts.append(self.output, _lines([{"id": name, "embedding": vector} for name, vector in rows]))
        self._parts.append(self.rejected_path, _lines(chunk.rejected))
        _count(state.counts, encoded)
        state.place = chunk.end
        self._is_sound = True
        if time.monotonic() - self._recorded_s >= RECORD_EVERY_S:
            self._record()

    def finish(self) -> None:
        """All lines are in: give the files their names."""
        if not self.is_whole:
            if self._is_array:
                self._parts.replace_start(self.output, self._header())
            self._state.is_whole = True
            self._record()
        self._parts.name(self._state.part_bytes, optional=self.rejected_path)
        self._journal.unlink(missing_ok=True)

    @property
    def _is_array(self) -> bool:
        return self.output.suffix == ".npy"

    def _begun(self, recipe: Recipe, *, overwrite: bool) -> Record:
        found = None if overwrite else journal.read(self._journal)
        if found is None:
            if self.output.exists() and not overwrite:
                raise JournalError(f"{self.output} is there already; --overwrite makes it anew")
            return Record(recipe=recipe)
        if differs := journal.difference(found.recipe, recipe):
            raise JournalError(f"{self.output} was begun otherwise: {differs}; --overwrite begins anew")
        return found

    def _header(self) -> bytes:
        """Of the array. It leaves room for any number of rows: its length is the same at the beginning and the end."""
        header, shape = io.BytesIO(), (self.counts.vectors, self._dimension)
        np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
        return header.getvalue()

    def _record(self) -> None:
        self._is_sound = False
        self._state.part_bytes = self._parts.force()
        journal.write(self._journal, self._state)
        self._recorded_s = time.monotonic()
        self._is_sound = True


def paths_of(output: Path) -> list[Path]:
    """The finished files: vectors, ids (of an array), rejected lines."""
    ids = [output.with_suffix(BESIDE[0])] if output.suffix == ".npy" else []
    return [output, *ids, output.with_suffix(BESIDE[1])]


def _lines(rows: Sequence[Any]) -> bytes:
    return b"".join(orjson.dumps(row, option=OPTIONS) for row in rows)


def _count(counts: Counts, encoded: Encoded) -> None:
    counts.vectors += len(encoded.chunk.ids)
    counts.rejected += len(encoded.chunk.rejected)
    counts.tokens += encoded.tokens
    counts.cut_texts += encoded.cut_texts
    counts.lost_tokens += encoded.lost_tokens
