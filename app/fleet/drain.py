"""The end of a fleet that others still send requests to: not ready, answering on, until nobody waits any more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Drain:
    """From a first TERM or INT on. Times by the monotonic clock."""

    not_before_s: float
    """Balancers are to notice by then that no worker says ready."""
    not_after_s: float
    """Who still waits by then is lost: more come than can be answered."""

    @classmethod
    def begun(cls, now_s: float, delay_s: float, grace_s: float) -> Drain:
        """`delay_s`: how long to answer on in any case; half of `grace_s` is left for what is being answered."""
        return cls(now_s + delay_s, now_s + delay_s + grace_s / 2)

    def is_over(self, now_s: float, waiting: int) -> bool:
        """Whether to close: `waiting` connections that nobody has accepted."""
        return now_s >= self.not_before_s and (waiting <= 0 or now_s >= self.not_after_s)

    def next_look_s(self, now_s: float) -> float:
        """Seconds until it may be over."""
        return max(self.not_before_s - now_s, 0.005)
