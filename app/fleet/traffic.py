"""What each worker is at, what it has answered, and whom it has passed on: for gauges, and for a Retry-After.

One row a slot, in memory of the board. Each row is written by its own worker alone, so there is nothing to lock, and
outlives it: who comes next in the slot counts on.
"""

from __future__ import annotations

import math
from collections import deque

AT_WORK, ANSWERED, GIVEN, TAKEN = range(4)
WORDS = 4
# A rate is seen over so long, and nothing is told twice within so short a time.
WINDOW_S = 5.0
SAMPLE_S = 0.25
MOST_RETRY_AFTER_S = 30


def nobodys_row() -> memoryview:
    """A row that nobody reads."""
    return memoryview(bytearray(8 * WORDS)).cast("q")


class Traffic:
    """All rows; `words`: WORDS for each slot."""

    def __init__(self, words: memoryview) -> None:
        self._words = words

    def row(self, slot: int) -> memoryview:
        """One worker's own, by AT_WORK (requests that it is at now), and ANSWERED, GIVEN and TAKEN, which only grow."""
        return self._words[WORDS * slot : WORDS * (slot + 1)]

    def forget_work(self, slot: int) -> None:
        """Whoever held the slot has died."""
        self._words[WORDS * slot + AT_WORK] = 0

    def work_of(self, slot: int) -> int:
        """Requests that the slot's worker is at."""
        return self._words[WORDS * slot + AT_WORK]

    def at_work(self) -> int:
        """Requests that all workers are at."""
        return sum(self._words[AT_WORK::WORDS])

    def busy(self) -> int:
        """Workers that are at a request."""
        return sum(count > 0 for count in self._words[AT_WORK::WORDS])

    def answered(self) -> int:
        """Requests that all workers have answered."""
        return sum(self._words[ANSWERED::WORDS])

    def passed_on(self) -> int:
        """Connections that were given to whoever is free, and not taken yet."""
        return max(0, sum(self._words[GIVEN::WORDS]) - sum(self._words[TAKEN::WORDS]))


class Pace:
    """How fast a fleet answers, as one of its processes has seen it over the last seconds."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._seen: deque[tuple[float, int]] = deque()

    def look(self, now_s: float) -> None:
        """Look how much is answered by now, unless that was a moment ago."""
        if self._seen and now_s - self._seen[-1][0] < SAMPLE_S:
            return
        self._seen.append((now_s, self._traffic.answered()))
        while len(self._seen) > 2 and self._seen[1][0] <= now_s - WINDOW_S:
            self._seen.popleft()

    def retry_after_s(self, waiting: int, now_s: float) -> int:
        """How long it will take to answer so many: whole seconds, 1 at least. None answered lately tells nothing."""
        self.look(now_s)
        (began_s, before), (ended_s, answered) = self._seen[0], self._seen[-1]
        if answered == before:
            return round(WINDOW_S)
        return min(max(1, math.ceil(waiting * (ended_s - began_s) / (answered - before))), MOST_RETRY_AFTER_S)
