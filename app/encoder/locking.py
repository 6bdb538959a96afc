"""What may stand between requests and the one model that several threads hold: the study's question, as a setting.

none: nothing. An encoder never changes once it is loaded, so a replacement is a new reference in the old one's place,
and whoever computes with the old one holds it until its answer is made. rwlock: predictions read together, a
replacement writes alone. mutex: one prediction, or one replacement, at a time. No other room knows of locks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Condition, Lock
from typing import Any, Literal, Protocol

from .contract import Embeddings, Encoder, ModelInfo
from .tokens import TextTokenizer

Kind = Literal["none", "rwlock", "mutex"]


class StateLock(Protocol):
    """How predictions (reading) and replacements (writing) exclude each other."""

    def reading(self) -> AbstractContextManager[Any]:
        """Held during a prediction."""
        ...

    def writing(self) -> AbstractContextManager[Any]:
        """Held during a replacement."""
        ...


class Mutex:
    """One at a time, whatever it does."""

    def __init__(self) -> None:
        self._lock = Lock()

    def reading(self) -> AbstractContextManager[Any]:
        """See `StateLock`."""
        return self._lock

    writing = reading


class ReadWriteLock:
    """Readers together, a writer alone; while a writer waits no reader passes it, so that readers cannot starve it.

    Everyone takes his turn at `_door`; a reader leaves it at once, a writer keeps it until he has written.
    """

    def __init__(self) -> None:
        self._door = Lock()
        self._readers = 0
        self._reader_left = Condition()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See `StateLock`. Not to be entered again by the thread that is inside."""
        with self._door, self._reader_left:
            self._readers += 1
        try:
            yield
        finally:
            with self._reader_left:
                self._readers -= 1
                self._reader_left.notify()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """See `StateLock`."""
        with self._door:
            with self._reader_left:
                self._reader_left.wait_for(lambda: not self._readers)
            yield


LOCKS: dict[str, Callable[[], StateLock]] = {"rwlock": ReadWriteLock, "mutex": Mutex}


class Locked:
    """An encoder behind a lock; see `contract.Encoder`."""

    def __init__(self, encoder: Encoder, lock: StateLock) -> None:
        self._encoder = encoder
        self._lock = lock

    @property
    def info(self) -> ModelInfo:
        """Of the model that is held at this moment."""
        return self._encoder.info

    @property
    def tokenizer(self) -> TextTokenizer:
        """Of the model that is held at this moment."""
        return self._encoder.tokenizer

    def encode(self, *arguments: Any, **options: Any) -> Embeddings:
        """See `contract.Encoder.encode`."""
        with self._lock.reading():
            return self._encoder.encode(*arguments, **options)

    def let_go(self) -> None:
        """See `contract.Encoder.let_go`."""
        self._encoder.let_go()

    def take_over(self) -> None:
        """See `contract.Encoder.take_over`."""
        self._encoder.take_over()

    def rest(self) -> None:
        """See `contract.Encoder.rest`."""
        self._encoder.rest()

    def replace(self, encoder: Encoder) -> None:
        """Put another model in the old one's place, once nobody computes with that."""
        with self._lock.writing():
            self._encoder = encoder


def guarded(encoder: Encoder, kind: Kind) -> Encoder:
    """The encoder as BERT_LOCK wants it held: itself, or behind a lock of this kind."""
    return encoder if kind == "none" else Locked(encoder, LOCKS[kind]())


def replaced(held: Encoder, encoder: Encoder) -> Encoder:
    """What to hold from now on in the place of `held`: the new encoder, behind the lock that is there, if any."""
    if not isinstance(held, Locked):
        return encoder
    held.replace(encoder)
    return held
