"""Readers together, a writer alone and not starved; an answer belongs to one model; the default takes no lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import pytest

from app.encoder import Embeddings, Encoder, ModelInfo, guarded, replaced
from app.encoder.locking import LOCKS, Kind, Locked, Mutex, ReadWriteLock, StateLock
from tests.conftest import opened

WAIT_S = 10


class Made:
    """An encoder that answers its own number, and tells how many compute at once."""

    def __init__(self, number: float) -> None:
        self.number = number
        self.inside = 0
        self.most = 0
        self.waits: Callable[[], Any] = lambda: None
        self.info = cast("ModelInfo", f"model {number}")

    def encode(self, texts: list[str], *_: Any, **__: Any) -> Embeddings:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.waits()
        self.inside -= 1
        vectors = np.full((len(texts), 2), self.number, np.float32)
        return Embeddings(vectors, [1] * len(texts), [0] * len(texts), 0.0, 0.0, str(self.number))


@pytest.mark.parametrize("kind", ["none", "rwlock"])
def test_predictions_go_together(kind: Kind) -> None:
    made = Made(1)
    made.waits = threading.Barrier(3, timeout=WAIT_S).wait  # passed by three at once, or by none
    held = guarded(cast("Encoder", made), kind)
    with ThreadPoolExecutor(3) as pool:
        assert len(list(pool.map(held.encode, [["a"]] * 3))) == 3


def test_under_a_mutex_one_prediction_at_a_time() -> None:
    made = Made(1)
    made.waits = lambda: time.sleep(0.01)
    held = guarded(cast("Encoder", made), "mutex")
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(held.encode, [["a"]] * 10))
    assert made.most == 1


@pytest.mark.parametrize("make", LOCKS.values(), ids=list(LOCKS))
def test_a_writer_is_alone(make: Callable[[], StateLock]) -> None:
    lock, inside = make(), [0]
    seen: list[tuple[int, int]] = []

    def enter(way: Callable[[], Any], weight: int) -> None:
        for _ in range(200):
            with way():
                inside[0] += weight
                seen.append((weight, inside[0]))
                time.sleep(0)
                inside[0] -= weight

    threads = [threading.Thread(target=enter, args=(lock.writing, 1000)) for _ in range(2)]
    threads += [threading.Thread(target=enter, args=(lock.reading, 0)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(seen) == {(0, 0), (1000, 1000)}, "two writers, or a reader beside a writer"
    assert inside == [0]


def test_a_waiting_writer_is_not_passed_by_readers() -> None:
    """One reader is inside, a writer waits, a second reader comes: it must wait for the writer."""
    lock, order = ReadWriteLock(), []
    first_may_go, first_is_in = threading.Event(), threading.Event()

    def read(name: str, until: threading.Event | None = None) -> None:
        with lock.reading():
            order.append(name)
            first_is_in.set()
            if until:
                assert until.wait(WAIT_S)

    def write() -> None:
        with lock.writing():
            order.append("writer")

    first = threading.Thread(target=read, args=("first", first_may_go))
    writer, second = threading.Thread(target=write), threading.Thread(target=read, args=("second",))
    first.start()
    assert first_is_in.wait(WAIT_S)
    writer.start()
    wait_until(lock._door.locked)
    second.start()
    second.join(0.2)
    assert order == ["first"]
    first_may_go.set()
    for thread in (first, writer, second):
        thread.join(WAIT_S)
    assert order == ["first", "writer", "second"]


def wait_until(met: Callable[[], bool]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not met():
        assert time.monotonic() < until_s
        time.sleep(0.001)


@pytest.mark.parametrize("make", [Mutex, ReadWriteLock])
def test_a_prediction_that_fails_lets_go(make: Callable[[], StateLock]) -> None:
    class Failing:
        info = cast("ModelInfo", "failing")

        def encode(self, *_: Any, **__: Any) -> Embeddings:
            raise ValueError("no")

    held = Locked(cast("Encoder", Failing()), make())
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            held.encode(["a"])
    held.replace(cast("Encoder", Made(2)))
    assert held.encode(["a"]).fingerprint == "2"


@pytest.mark.parametrize("kind", ["none", *LOCKS])
def test_an_answer_belongs_whole_to_one_model(kind: Kind) -> None:
    """Made in two steps with a pause between. Behind a lock nobody computes with the old model once it is replaced."""
    old = made(0)
    box, stop, seen = [guarded(cast("Encoder", old), kind)], threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            found = box[0].encode(["a", "b", "c"])
            seen.append((found.fingerprint, set(np.unique(found.vectors))))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 40):
        time.sleep(0.005)
        new = made(number)
        box[0] = replaced(box[0], cast("Encoder", new))
        assert kind == "none" or old.inside == 0
        old = new
    stop.set()
    for thread in threads:
        thread.join(WAIT_S)
    assert all(vectors == {float(fingerprint)} for fingerprint, vectors in seen)
    assert len({fingerprint for fingerprint, _ in seen}) > 10
    assert box[0].encode(["a"]).fingerprint == str(box[0].info).removeprefix("model ") == "39"


def made(number: int) -> Made:
    found = Made(number)
    found.waits = lambda: time.sleep(0.001)
    return found


def test_the_default_is_the_encoder_itself() -> None:
    made = cast("Encoder", Made(1))
    assert guarded(made, "none") is made
    assert isinstance(guarded(made, "mutex"), Locked)


@pytest.mark.parametrize("engine", ["native", "sentence-transformers"])
def test_ten_threads_on_one_model_give_the_vectors_of_one(engine: str) -> None:
    """Bit for bit: neither engine keeps anything of a call where another could find it."""
    encoder = opened(engine, "float32")
    texts = [f"text number {number} " + "word " * (7 * number % 90) for number in range(40)]
    alone = [encoder.encode([text]).vectors for text in texts]
    with ThreadPoolExecutor(10) as pool:
        together = list(pool.map(lambda text: encoder.encode([text]), texts))
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one, other.vectors)
    assert {answer.fingerprint for answer in together} == {encoder.info.fingerprint}
