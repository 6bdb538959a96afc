"""Whose turn it is at a loop: the serving thread's, or, while that is at a request, the attendant's."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

# Shorter requests are over before it is worth another thread's while.
AFTER_S = 0.02
# How often to look whether there is anything to do while requests come, and while none does.
TICK_S, IDLE_S = 0.2, 1.0


class Shift:
    """See the module. `is_needed`: whether anybody but the one at whose request the thread is might want something."""

    def __init__(self, is_needed: Callable[[], bool]) -> None:
        self.turn = Lock()
        self.bell: Callable[[bool], None] | None = None
        """Has the attendant woken by what the clients do, once, or no more."""
        self.wake: Callable[[], None] = lambda: None
        """Has the attendant look at once."""
        self._is_needed = is_needed
        self._begun = self._seen = 0
        """Requests that the serving thread went to, and how many of them the attendant knew of when it last looked."""
        self._is_asleep = True
        """Whether the attendant looks once in IDLE_S alone."""
        self._is_set = False
        self._away_since_s: float | None = None

    def away(self) -> None:
        """The serving thread, which has the turn, goes to a request."""
        self._away_since_s = time.monotonic()
        self._begun += 1
        if self._is_asleep:
            self._is_asleep = False
            self.wake()
        if self._is_needed():
            self._set_bell(wanted=True)
        self.turn.release()

    def back(self) -> None:
        """It is back; waits until the attendant has done what it is at."""
        self.turn.acquire()
        self._away_since_s = None
        self._set_bell(wanted=False)

    def stand_in(self) -> float:
        """In the attendant: 0 if it has the turn now, until it calls `leave`; else seconds until it may be worth it."""
        # Said before it is looked whether the thread is away, so that one or the other is seen.
        self._is_asleep, self._seen = self._begun == self._seen, self._begun
        since_s = self._away_since_s
        if since_s is None:
            return IDLE_S if self._is_asleep else TICK_S
        self._is_asleep = False
        left_s = since_s + AFTER_S - time.monotonic()
        if left_s > 0:
            return left_s
        if not self.turn.acquire(blocking=False):
            return AFTER_S
        if self._away_since_s is None:
            self.turn.release()
            return TICK_S
        return 0.0

    def away_s(self) -> float:
        """For how long the serving thread has been at its request; 0: it is not at one."""
        since_s = self._away_since_s
        return time.monotonic() - since_s if since_s else 0.0

    def leave(self) -> None:
        """In the attendant: enough, until the bell rings again."""
        self._is_set = False
        self._set_bell(wanted=True)
        self.turn.release()

    def _set_bell(self, *, wanted: bool) -> None:
        if self.bell and wanted != self._is_set:
            self.bell(wanted)
            self._is_set = wanted
