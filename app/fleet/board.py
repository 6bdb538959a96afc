"""The fleet's board: one row a worker slot, in memory that the master shares with its workers through the fork.

A slot is a worker's place in the fleet (0 to workers - 1). It outlives the worker: who replaces a dead worker takes its
slot, its row and its metric files. Each row is written by its own worker, and cleared by the master once that worker
has died, so there is nothing to lock: a row is two aligned 8-byte words.
"""

from __future__ import annotations

import enum
import mmap
import os
from collections.abc import Collection

# More rows than any fleet has workers: a reload runs the old and the new ones side by side. 64 KiB, touched on use.
SLOTS = 4096
# Room for the settings that a replacement was made by: a few names and paths.
NOTE_BYTES = 1 << 16


class State(enum.IntEnum):
    """What a worker is doing."""

    ABSENT = 0
    LOADING = 1
    READY = 2
    STOPPING = 3
    REFUSED = 4


class Board:
    """See the module. Make it before the fork; `workers` is how many the fleet is to have."""

    def __init__(self, workers: int = 1, threads: int = 1) -> None:
        shared = memoryview(mmap.mmap(-1, SLOTS * 16 + 40 + NOTE_BYTES))
        self._words, self._note = shared[: SLOTS * 16 + 40].cast("q"), shared[SLOTS * 16 + 40 :]
        self.workers = workers
        self.threads = threads

    @property
    def workers(self) -> int:
        """How many workers the fleet is to have."""
        return self._words[2 * SLOTS + 1]

    @workers.setter
    def workers(self, count: int) -> None:
        self._words[2 * SLOTS + 1] = count

    @property
    def threads(self) -> int:
        """How many requests each worker answers at a time."""
        return self._words[2 * SLOTS + 2]

    @threads.setter
    def threads(self, count: int) -> None:
        self._words[2 * SLOTS + 2] = count

    @property
    def replacements(self) -> int:
        """How often a worker has replaced its model in place, which the master hears of here alone."""
        return self._words[2 * SLOTS + 3]

    @property
    def accepted(self) -> bytes:
        """What the last replacement was made by, for the master to do the same; empty before the first."""
        return bytes(self._note[: self._words[2 * SLOTS + 4]])

    def note_replacement(self, accepted: bytes) -> None:
        """Say that this worker, the only one, has another model than the master gave it, and by what it was found."""
        self._note[: len(accepted)] = accepted
        self._words[2 * SLOTS + 4] = len(accepted)
        self._words[2 * SLOTS + 3] += 1

    def forget_replacement(self) -> None:
        """Say, in the master, that a reload has overtaken it."""
        self._words[2 * SLOTS + 4] = 0

    def write(self, slot: int, pid: int, state: State) -> None:
        """Say who holds the slot and what it is doing."""
        self._words[2 * slot] = pid
        self._words[2 * slot + 1] = state
        if state == State.READY:
            self._words[2 * SLOTS] = True

    @property
    def was_ready(self) -> bool:
        """Whether any worker has ever been ready."""
        return bool(self._words[2 * SLOTS])

    def clear(self, slot: int) -> None:
        """Say that nobody holds the slot."""
        self._words[2 * slot + 1] = State.ABSENT
        self._words[2 * slot] = 0

    def state(self, slot: int) -> State:
        """What the slot's worker is doing."""
        return State(self._words[2 * slot + 1])

    def pids(self) -> dict[int, int]:
        """The process of each slot that is held."""
        return {slot: self._words[2 * slot] for slot in range(SLOTS) if self._words[2 * slot]}

    def ready_count(self) -> int:
        """How many workers take requests."""
        return sum(self._words[2 * slot + 1] == State.READY for slot in self.pids())


def lowest_free(taken: Collection[int]) -> int:
    """The slot for a new worker: the lowest that no living worker holds."""
    return next(slot for slot in range(SLOTS) if slot not in taken)


class Readiness:
    """One worker's own row of the board."""

    def __init__(self, board: Board, slot: int) -> None:
        self.board = board
        self.slot = slot
        board.write(slot, os.getpid(), State.LOADING)

    def announce(self) -> None:
        """Say that this worker has a verified model."""
        self.board.write(self.slot, os.getpid(), State.READY)

    def refuse(self) -> None:
        """Say that this worker will not serve, because its model is not as it should be."""
        self.board.write(self.slot, os.getpid(), State.REFUSED)

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
    return _own or Readiness(Board(), 0)
