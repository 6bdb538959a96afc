"""One percentile for all tables: two runs are beside each other only if their figures are made alike."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """Between the two nearest of the ordered values; None of none."""
    if not ordered:
        return None
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def of_any(values: Sequence[float], percent: float) -> float:
    """The same of values in any order, as a number for a table: NaN of none."""
    found = percentile(sorted(values), percent)
    return math.nan if found is None else found
