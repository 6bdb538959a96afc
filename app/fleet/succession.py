"""Who is to be born and who is to stop: the fleet's size, its reload, and pauses after births that fail.

Nothing here waits, forks or signals. The master tells at each turn who lives and in what state, and does what it is
told; so a TERM or another reload is heeded at any time, and all of it is tested without a process.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from .board import State

LOADING = (State.ABSENT, State.LOADING)


@dataclass(frozen=True, slots=True)
class Member:
    """A living worker. Of two, the one with the higher `age` was born later."""

    age: int
    state: State
    is_told: bool
    """Whether it was told to stop."""


@dataclass(slots=True)
class Pause:
    """After births that fail one after the other: none for a time that doubles up to MOST_S, then one at a time."""

    LEAST_S = 0.1
    MOST_S = 5.0

    failures: int = 0
    until_s: float = 0.0
    last_age: int = 0
    """No worker born later than this one has become ready yet."""

    def failed(self, age: int, now_s: float) -> None:
        """The birth of this worker failed."""
        self.failures += 1
        self.last_age = max(age, self.last_age)
        self.until_s = now_s + min(self.LEAST_S * 2 ** min(self.failures - 1, 10), self.MOST_S)

    def look(self, members: Iterable[Member]) -> None:
        """It is over once anybody who came later is ready."""
        if self.failures and any(one.age > self.last_age and one.state is State.READY for one in members):
            self.failures = 0

    def allowed(self, loading: int, now_s: float) -> int | None:
        """How many may be born now; None: as many as there is work for."""
        if not self.failures:
            return None
        return 1 if now_s >= self.until_s and not loading else 0


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done now."""

    births: int = 0
    stops: Collection[int] = ()
    """Ages of those that are to be told."""
    is_complete: bool = False
    """Whether, from now on, every worker is there, ready, and none of before the last reload. Said once."""


@dataclass(slots=True)
class Succession:
    """See the module.

    A reload replaces one worker at a time: a new one is born, one over the number that is wanted, and as soon as it is
    ready an old one is told to stop. Ten that load at once would keep everybody else from the processor.
    """

    pause: Pause = field(default_factory=Pause)
    _old_until_age: int = 0
    _is_complete: bool = False

    def replace_all(self, newest_age: int) -> None:
        """A reload: all that were born until now are old."""
        self._old_until_age = newest_age
        self._is_complete = False

    def step(self, members: Collection[Member], wanted: int, most_loading: int, now_s: float) -> Step:
        """What is to be done, with these alive; `most_loading`: how many may load at the same time."""
        self.pause.look(members)
        serving = sorted((one for one in members if not one.is_told), key=lambda one: one.age)
        loading = sum(one.state in LOADING for one in serving)
        old = [one for one in serving if one.age <= self._old_until_age]
        over = len(serving) - wanted
        if over > 0:
            return Step(stops=() if loading else [one.age for one in serving[:over]])
        missing = min(-over, most_loading - loading) if over < 0 else int(bool(old) and not loading)
        allowed = self.pause.allowed(loading, now_s)
        births = max(0, missing if allowed is None else min(missing, allowed))
        is_complete = over == 0 and not old and all(one.state is State.READY for one in serving)
        first_time, self._is_complete = is_complete and not self._is_complete, self._is_complete or is_complete
        return Step(births=births, is_complete=first_time)

    def next_look_s(self, members: Collection[Member], wanted: int, now_s: float) -> float:
        """Seconds until something may have to be done that no signal tells."""
        serving = [one for one in members if not one.is_told]
        if any(one.state in LOADING for one in serving):
            return 0.01
        if self.pause.failures and len(serving) < wanted + 1:
            return min(max(self.pause.until_s - now_s, 0.01), 1.0)
        return 1.0
