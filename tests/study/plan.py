"""How much is measured: the full run, and the quick one, in which every configuration and row appears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.study.columns import Column

RISING = ("per-worker, none", "shared, none")
"""Whose number of clients is raised, to find the knee."""
REPLACED_GROUPS = ("ours", "torch")


@dataclass(frozen=True)
class Plan:
    rounds: int
    requests: int
    """Of each kind, for each configuration."""
    slow_requests: int
    """For what serves a few in a second."""
    clients: int
    checked: int
    """Texts of each kind whose whole vectors are compared."""
    idle_s: float
    """How long the idle service is watched."""
    rising_clients: tuple[int, ...]
    rising_requests: int
    pairs: int
    """Turns of each comparison."""
    paired_requests: int
    replacements: int
    replacing_workers: int | None
    """Instead of the configuration's; None: as it is."""

    def requests_of(self, column: Column) -> int:
        return self.slow_requests if column.is_slow else self.requests

    def rounds_of(self, column: Column) -> int:
        return 1 if column.is_slow else self.rounds

    def expected_s(self, column: Column) -> float:
        """About how long one visit takes: by what the configurations gave when this was written."""
        rates = {"fixed": 110.0, "short": 450.0, "long": 110.0, "mixed": 280.0}
        slower = {"study": 0.6, "ours": 1.0, "torch": 5.0}[column.group] * (8 if column.is_slow else 1)
        load_s = sum(self.requests_of(column) / rates[kind] * slower for kind in column.kinds)
        return 3.0 + (12.0 if column.group == "torch" else 0.0) + self.idle_s + load_s

    def replacing_s(self, column: Column) -> float:
        """About how long its model's replacements take."""
        each_s = 1.5 if column.is_shared else 0.4 * (self.replacing_workers or column.workers)
        return 5.0 + (self.replacements + 2) * each_s * (3 if column.group == "torch" else 1)

    def expected_run_s(self, columns: Sequence[Column]) -> float:
        """About how long everything takes."""
        visits_s = sum(self.expected_s(column) * self.rounds_of(column) for column in columns)
        return (
            visits_s
            + self.pairs * self.paired_requests * 0.12
            + sum(self.replacing_s(column) for column in columns if self.is_replaced(column))
        )

    def is_replaced(self, column: Column) -> bool:
        """Each state under each lock, on each engine; the number of workers and the length of texts change nothing."""
        numbered = "WEB_CONCURRENCY" in column.peer.environ
        return column.is_ours and column.group in REPLACED_GROUPS and not column.is_cut and not numbered


FULL = Plan(
    rounds=3,
    requests=1000,
    slow_requests=1000,
    clients=10,
    checked=20,
    idle_s=2.0,
    rising_clients=(1, 2, 4, 8, 16, 32, 64, 128),
    rising_requests=500,
    pairs=8,
    paired_requests=250,
    replacements=20,
    replacing_workers=None,
)

QUICK = Plan(
    rounds=1,
    requests=50,
    slow_requests=12,
    clients=10,
    checked=3,
    idle_s=0.5,
    rising_clients=(1, 4, 16),
    rising_requests=60,
    pairs=2,
    paired_requests=30,
    replacements=1,
    replacing_workers=2,
)
