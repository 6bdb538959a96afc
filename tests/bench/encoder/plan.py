"""What is measured and for how long: the full run, and the quick one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    lengths: tuple[int, ...]
    """Tokens of a text alone, special ones included."""
    packs: tuple[tuple[int, int], ...]
    """Texts together, and tokens of each."""
    rounds: int
    visit_s: float
    """How long an engine calls within a visit, if it is that fast."""
    least_calls: int
    """Timed in a visit, after one that is not."""
    peak_s: float
    texts: int | None
    """How many real texts the vectors are compared over; None: all."""
    plain_texts: int
    """How many of them the plain path gets, which is slow."""
    fidelity_s: float
    """About how long the comparison takes, for the bar."""


QUICK = Plan(
    lengths=(8, 22, 64, 242),
    packs=((8, 22),),
    rounds=5,
    visit_s=0.03,
    least_calls=1,
    peak_s=0.02,
    texts=120,
    plain_texts=3,
    fidelity_s=40,
)

FULL = Plan(
    lengths=(1, 8, 22, 64, 128, 242, 256, 512),
    packs=((8, 22), (32, 22), (4, 242)),
    rounds=11,
    visit_s=0.08,
    least_calls=2,
    peak_s=0.05,
    texts=None,
    plain_texts=40,
    fidelity_s=560,
)
