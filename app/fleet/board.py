"""The fleet's board: one row a worker slot, in memory that the master shares with its workers through the fork.

A slot is a worker's place in the fleet (0 to workers - 1). It outlives the worker: who replaces a dead worker takes its
slot, its row and its metric files. Each row is written by its own worker, and cleared by the master once that worker
has died, so there is nothing to lock: a row is two aligned 8-byte words.
"""

from __future__ import annotations

import enum
import mmap
import os
from collections.abc import Collection, Iterator

from . import traffic
from .traffic import Traffic

# More rows than any fleet has workers: a reload runs the old and the new ones side by side. 64 KiB, touched on use.
SLOTS = 4096
# The master's place among the sizes.
MASTER = SLOTS
# Numbers that are not a slot's.
WORDS = 9
# Room for what a worker's latest request is called.
LATEST_BYTES = 256
# Room for the settings that a replacement was made by: a few names and paths.
NOTE_BYTES = 1 << 16
NEVER_MS = 1 << 40


class State(enum.IntEnum):
    """What a worker is doing."""

    ABSENT = 0
    LOADING = 1
    READY = 2
    STOPPING = 3
    REFUSED = 4


class Word:
    """A number that the whole fleet shares, behind the rows of the slots."""

    def __init__(self, place: int) -> None:
        self._place = 2 * SLOTS + place

    def __get__(self, board: Board, _: type) -> int:
        return board.words[self._place]

    def __set__(self, board: Board, value: int) -> None:
        board.words[self._place] = value


class Sizes:
    """Bytes of memory of each slot's worker, and of the MASTER: all, what is its alone, and when that was so."""

    def __init__(self, words: memoryview) -> None:
        self._words = words

    def write(self, place: int, when_ms: int, pss_bytes: int, private_bytes: int) -> None:
        """Say what it costs."""
        for offset, number in enumerate((pss_bytes, private_bytes, when_ms)):
            self._words[3 * place + offset] = number

    def read(self, place: int) -> tuple[int, int]:
        """What it costs, all and alone; 0 if that is not known."""
        return self._words[3 * place], self._words[3 * place + 1]

    def age_ms(self, place: int, now_ms: int) -> int:
        """How long ago that was so; very long, if it never was."""
        when_ms = self._words[3 * place + 2]
        return now_ms - when_ms if when_ms else NEVER_MS


class Board:
    """See the module. Make it before the fork; `workers` is how many the fleet is to have."""

    was_ready = Word(0)
    """Whether any worker has ever been ready."""
    workers = Word(1)
    """How many workers the fleet is to have."""
    threads = Word(2)
    """How many requests each worker answers at a time."""
    replacements = Word(3)
    """How often a worker has replaced its model in place, which the master hears of here alone."""
    is_draining = Word(4)
    """Whether the fleet is about to end: no worker is ready any more, whatever it does."""
    is_handed_over = Word(5)
    """Whether another fleet answers on the same socket, so that it stays ready though this one ends."""
    is_reload_refused = Word(7)
    """Whether the last reload was."""
    slots = Word(8)
    """How many have ever been held, from the first on."""
    _note_bytes = Word(6)

    def __init__(self, workers: int = 1, threads: int = 1) -> None:
        words, sizes, rows = 8 * (2 * SLOTS + WORDS), 8 * 3 * (SLOTS + 1), 8 * traffic.WORDS * SLOTS
        parts = _parts(words, sizes, rows, NOTE_BYTES, LATEST_BYTES * SLOTS)
        self.words = next(parts).cast("q")
        self.sizes = Sizes(next(parts).cast("q"))
        self.traffic = Traffic(next(parts).cast("q"))
        self._note = next(parts)
        self._latest = next(parts)
        self.workers = workers
        self.threads = threads

    @property
    def accepted(self) -> bytes:
        """What the last replacement was made by, for the master to do the same; empty before the first."""
        return bytes(self._note[: self._note_bytes])

    def note_replacement(self, accepted: bytes) -> None:
        """Say that this worker, the only one, has another model than the master gave it, and by what it was found."""
        self._note[: len(accepted)] = accepted
        self._note_bytes = len(accepted)
        self.replacements += 1

    def forget_replacement(self) -> None:
        """Say, in the master, that a reload has overtaken it."""
        self._note_bytes = 0

    def write(self, slot: int, pid: int, state: State) -> None:
        """Say who holds the slot and what it is doing."""
        self.words[2 * slot] = pid
        self.words[2 * slot + 1] = state
        self.slots = max(self.slots, slot + 1)
        if state == State.READY:
            self.was_ready = True

    def clear(self, slot: int) -> None:
        """Say that nobody holds the slot."""
        self.words[2 * slot + 1] = State.ABSENT
        self.words[2 * slot] = 0
        self.sizes.write(slot, 0, 0, 0)
        self.place_of_latest(slot)[0] = 0
        self.traffic.forget_work(slot)

    def place_of_latest(self, slot: int) -> memoryview:
        """Where it stands to which request the slot's worker went last, ended by a zero."""
        return self._latest[LATEST_BYTES * slot : LATEST_BYTES * (slot + 1)]

    def latest(self, slot: int) -> bytes:
        """To which request the slot's worker went last; empty if to none."""
        return bytes(self.place_of_latest(slot)).partition(b"\0")[0]

    def state(self, slot: int) -> State:
        """What the slot's worker is doing."""
        return State(self.words[2 * slot + 1])

    def pids(self) -> dict[int, int]:
        """The process of each slot that is held."""
        return {slot: pid for slot, pid in enumerate(self.words[: 2 * self.slots : 2]) if pid}

    def ready_count(self) -> int:
        """How many workers take requests."""
        return sum(self.words[2 * slot + 1] == State.READY for slot in self.pids())


def _parts(*sizes_bytes: int) -> Iterator[memoryview]:
    """Pieces of one memory, shared with whoever is forked from now on."""
    shared = memoryview(mmap.mmap(-1, sum(sizes_bytes)))
    for size_bytes in sizes_bytes:
        yield shared[:size_bytes]
        shared = shared[size_bytes:]


def lowest_free(taken: Collection[int]) -> int:
    """The slot for a new worker: the lowest that no living worker holds."""
    return next(slot for slot in range(SLOTS) if slot not in taken)


class Readiness:
    """One worker's own row of the board."""

    def __init__(self, board: Board, slot: int, *, is_of_a_fleet: bool = True) -> None:
        self.board = board
        self.slot = slot
        self.is_of_a_fleet = is_of_a_fleet
        self.traffic = board.traffic.row(slot)
        self._latest = board.place_of_latest(slot)
        board.write(slot, os.getpid(), State.LOADING)

    def announce(self) -> None:
        """Say that this worker has a verified model, unless it was told to stop meanwhile."""
        if self.state is not State.STOPPING:
            self.board.write(self.slot, os.getpid(), State.READY)

    def refuse(self) -> None:
        """Say that this worker will not serve, because its model is not as it should be."""
        self.board.write(self.slot, os.getpid(), State.REFUSED)

    def note(self, request: str) -> None:
        """Say to which request this worker has gone: for the master, should it not come back."""
        noted = request.encode("ascii", "replace")[: LATEST_BYTES - 1] + b"\0"
        self._latest[: len(noted)] = noted

    def stop(self) -> None:
        """Say that this worker takes no new requests."""
        self.board.write(self.slot, os.getpid(), State.STOPPING)

    @property
    def state(self) -> State:
        """What this worker is doing."""
        return self.board.state(self.slot)


_own: Readiness | None = None


def join(board: Board, slot: int) -> None:
    """Take a slot for this process. Call it in the worker, right after the fork."""
    global _own  # noqa: PLW0603 - a process is one worker; gunicorn gives create_app() nothing to carry this in
    _own = Readiness(board, slot)


def own_readiness() -> Readiness:
    """This process's row: that of the slot it joined, or of a board of its own where no fleet forked it."""
    return _own or Readiness(Board(), 0, is_of_a_fleet=False)
