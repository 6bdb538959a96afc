"""Processes that encode, one a core, each with its own mapping of the one file of weights; answers in order."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

import numpy as np

from ..encoder import Encoder, ModelInfo, Options, Plan, end_with_parent, open_encoder
from ..errors import BulkError
from ..request_errors import RequestError, TextError
from .reader import Chunk, Rejected
from .records import start_of

# Chunks that are under way for each process: one in its hands, one that waits for it.
AHEAD = 2
DIED = "a process that encodes was killed, most likely for want of memory; the same command goes on"


@dataclass(frozen=True, slots=True)
class Encoded:
    """What became of a chunk."""

    chunk: Chunk
    """Its texts are gone; those that could not be encoded are among its rejected ones."""
    vectors: np.ndarray
    """float32, shape (texts, dimension)."""
    tokens: int
    cut_texts: int
    lost_tokens: int


class EncodersDiedError(BulkError):
    """A process ended in its work: killed, most likely for want of memory."""


class Encoders:
    """A pool of `processes`; use it as a context manager. No thread of this process may compute while it starts."""

    def __init__(self, plan: Plan, processes: int, *, truncate: bool) -> None:
        self._ahead = AHEAD * processes
        self._truncate = truncate
        self._pool = ProcessPoolExecutor(
            processes, multiprocessing.get_context("fork"), initializer=_begin, initargs=(plan,)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)

    def info(self) -> ModelInfo:
        """What they serve. Raises ModelRefusedError if a process cannot load the model, EncodersDiedError."""
        try:
            return self._pool.submit(_info).result()
        except BrokenProcessPool:
            raise EncodersDiedError(DIED) from None

    def encode(self, chunks: Iterable[Chunk]) -> Iterator[Encoded]:
        """Each chunk's vectors, in the chunks' order; only so many are read ahead as keep all processes at work.

        Raises as `info` does.
        """
        under_way: deque[Future[Encoded]] = deque()
        try:
            for chunk in chunks:
                under_way.append(self._pool.submit(_encode, chunk, truncate=self._truncate))
                if len(under_way) > self._ahead:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        except BrokenProcessPool:
            raise EncodersDiedError(DIED) from None


@dataclass(slots=True)
class _Own:
    """What a process of the pool has."""

    plan: Plan | None = None
    encoder: Encoder | None = None


_own = _Own()


def _begin(plan: Plan) -> None:
    """In the process: Ctrl-C, which a terminal sends to all, is for the parent to act on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()
    _own.plan = plan


def _encoder() -> Encoder:
    if _own.encoder is None:
        _own.encoder = open_encoder(cast("Plan", _own.plan))
    return _own.encoder


def _info() -> ModelInfo:
    return _encoder().info


def _encode(chunk: Chunk, *, truncate: bool) -> Encoded:
    return encoded(_encoder(), chunk, truncate=truncate)


def encoded(encoder: Encoder, chunk: Chunk, *, truncate: bool) -> Encoded:
    """A chunk's vectors; a text that cannot be encoded is moved among the rejected ones."""
    while chunk.texts:
        try:
            found = encoder.encode(chunk.texts, Options(truncate=truncate))
        except TextError as error:
            _reject(chunk, error.index, error)
        except RequestError:  # of one of them, but not of which
            if not _reject_each(encoder, chunk, truncate=truncate):
                raise
        else:
            vectors = np.asarray(found.vectors)
            chunk.texts.clear()  # the way back to the parent is long enough
            return Encoded(chunk, vectors, found.tokens, sum(map(bool, found.lost_tokens)), sum(found.lost_tokens))
    return Encoded(chunk, np.empty((0, encoder.info.dimension), np.float32), 0, 0, 0)


def _reject_each(encoder: Encoder, chunk: Chunk, *, truncate: bool) -> bool:
    """Whether any had to go."""
    before = len(chunk.texts)
    for index in reversed(range(len(chunk.texts))):
        try:
            encoder.encode(chunk.texts[index : index + 1], Options(truncate=truncate))
        except RequestError as error:
            _reject(chunk, index, error)
    return len(chunk.texts) < before


def _reject(chunk: Chunk, index: int, error: RequestError) -> None:
    text, line = chunk.texts.pop(index), chunk.lines.pop(index)
    del chunk.ids[index]
    reason = f"the text {error.sentence}" if isinstance(error, TextError) else str(error)
    chunk.rejected.append(Rejected(line, reason, start_of(text)))
    chunk.rejected.sort(key=lambda one: one.line)
