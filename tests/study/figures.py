"""From the visits of all rounds to figures: medians with their spread, and ratios that rounds agree on or do not."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tests.report.tables import number
from tests.study.cells import Cell, Visit
from tests.study.pairs import Paired

LEAST_SHOWN = 0.005
MANY = 8


@dataclass(frozen=True)
class Spread:
    """A figure over the rounds: its median, its least and its most."""

    median: float
    least: float
    most: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Spread | None:
        """None of none."""
        known = [value for value in values if value is not None]
        return cls(statistics.median(known), min(known), max(known), len(known)) if known else None

    @classmethod
    def of_turns(cls, values: Sequence[float]) -> Spread | None:
        """Of many turns: the median, and the range without the least and the most.

        Of eight turns the true median lies in that range in 93 of 100 cases (the binomial's).
        """
        inner = sorted(values)[1:-1] if len(values) >= MANY else list(values)
        found = cls.of(inner)
        return found and replace(found, median=statistics.median(values), rounds=len(values))

    def __str__(self) -> str:
        """ "118 ±4%": half of the range, in parts of the median; alone where that is less than half a percent."""
        share = (self.most - self.least) / 2 / self.median if self.median else 0.0
        return f"{number(self.median)} ±{share:.0%}" if share >= LEAST_SHOWN else number(self.median)

    @property
    def ranged(self) -> str:
        """ "1.04 (0.98 to 1.1)"."""
        if self.rounds < 2:
            return number(self.median)
        return f"{number(self.median)} ({number(self.least)} to {number(self.most)})"


class Figures:
    """All that the tables, pictures and findings ask for."""

    def __init__(self, visits: Sequence[Visit], paired: Sequence[Paired] = ()) -> None:
        self.paired = paired
        self._visits: dict[str, list[Visit]] = {}
        for one in visits:
            self._visits.setdefault(one.column, []).append(one)

    def __contains__(self, column: str) -> bool:
        return column in self._visits

    def visits(self, column: str) -> list[Visit]:
        """Its rounds."""
        return self._visits.get(column, [])

    def cells(self, column: str, kind: str) -> list[Cell]:
        """Of its rounds."""
        return [one.cells[kind] for one in self.visits(column) if kind in one.cells]

    def of_cells(self, column: str, kind: str, read: Callable[[Cell], float | None]) -> Spread | None:
        """A row of one kind of payload."""
        return Spread.of([read(one) for one in self.cells(column, kind)])

    def of_visits(self, column: str, read: Callable[[Visit], float | None]) -> Spread | None:
        """A row that is the same for all kinds."""
        return Spread.of([read(one) for one in self.visits(column)])

    def rate(self, column: str, kind: str) -> Spread | None:
        """Requests/s."""
        return self.of_cells(column, kind, lambda one: one.requests_per_s)

    def ratio(self, column: str, other: str, kind: str) -> Spread | None:
        """How many times the other's requests/s: turn by turn where they were side by side, else round by round."""
        for one in self.paired:
            rates_of = one.rates.get(kind, {})
            if column in rates_of and other in rates_of:
                return Spread.of_turns([a / b for a, b in zip(rates_of[column], rates_of[other], strict=True) if b])
        rates = {one.round: one.cells[kind].requests_per_s for one in self.visits(other) if kind in one.cells}
        return Spread.of(
            [
                one.cells[kind].requests_per_s / rates[one.round]
                for one in self.visits(column)
                if kind in one.cells and rates.get(one.round)
            ]
        )

    def rise(self, column: str) -> list[tuple[int, float, float]]:
        """Clients, requests/s and p95 in s, medians of the rounds; empty where the clients were not raised."""
        visits = [one for one in self.visits(column) if one.steps]
        return [
            (
                step.clients,
                statistics.median(one.steps[place].requests_per_s for one in visits),
                statistics.median(one.steps[place].p95_s or 0.0 for one in visits),
            )
            for place, step in enumerate(visits[0].steps if visits else [])
        ]

    def pss_mb(self, column: str) -> Spread | None:
        """Of all processes after the load: the most of all kinds."""
        return self.of_visits(column, lambda one: max(cell.pss_mb_load for cell in one.cells.values()))

    def rss_mb(self, column: str) -> Spread | None:
        """The same as `ps` adds it up."""
        return self.of_visits(column, lambda one: max(cell.rss_mb_load for cell in one.cells.values()))
