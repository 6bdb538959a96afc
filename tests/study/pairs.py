"""Configurations side by side, in turn: for what is compared, where a machine's drift must not decide.

Visits lie minutes from each other, in which a shared machine may halve its speed. Here all services of a comparison run
at once and are asked one after the other, again and again, each time from another one on; one stands there twice, so
that the report can tell what the same makes of the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from tests.study.cells import cell
from tests.study.columns import CUT, Column
from tests.study.load import counted
from tests.study.payloads import Payloads
from tests.study.plan import Plan
from tests.study.visit import REST_S, check, running

AGAIN = " (again)"


@dataclass(frozen=True)
class Comparison:
    """The first column is the one that stands there twice."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]


COMPARISONS = (
    Comparison(
        "states and locks",
        (
            "per-worker, none",
            "per-worker, rwlock",
            "per-worker, mutex",
            "per-worker, none, 2 workers",
            "shared, none",
            "shared, rwlock",
            "shared, mutex",
        ),
        ("long", "short"),
    ),
    Comparison("the study's two locks", (f"shared, rwlock, cut at {CUT}", f"shared, mutex, cut at {CUT}"), ("fixed",)),
    Comparison("padding", ("torch: shared, rwlock", f"torch: shared, rwlock, padded to {CUT}"), ("short",)),
)


@dataclass(frozen=True)
class Paired:
    """By kind and column, requests/s in each turn."""

    name: str
    rates: dict[str, dict[str, list[float]]]
    failed: int
    took_s: float


def compare(comparison: Comparison, columns: Mapping[str, Column], plan: Plan, payloads: Payloads) -> Paired:
    """Start all services of a comparison and ask them in turn. Raises ServiceFailedError."""
    names = [*comparison.columns, comparison.columns[0] + AGAIN]
    with ExitStack() as stack:
        seats = {name: Seat(columns[name.removesuffix(AGAIN)], plan, payloads, stack) for name in names}
        rates = {kind: _in_turn(seats, kind, plan.pairs) for kind in comparison.kinds}
        failed = sum(seat.failed for seat in seats.values())
        took_s = max(seat.service.age_s for seat in seats.values())
    return Paired(comparison.name, rates, failed, took_s)


class Seat:
    """A running service that is asked when it is its turn."""

    def __init__(self, column: Column, plan: Plan, payloads: Payloads, stack: ExitStack) -> None:
        self.service = stack.enter_context(running(column))
        self.service.wait_until_ready(column.peer.ready_path)
        self.failed = 0
        self._column, self._plan, self._payloads = column, plan, payloads

    def rate(self, kind: str) -> float:
        """Requests/s of one turn."""
        service, plan = self.service, self._plan
        service.wait_until_idle(REST_S)
        requests = self._payloads.requests(kind, self._column, service.port)
        load = counted(service.port, requests, plan.clients, plan.paired_requests)
        found = cell(load, plan.clients, rss_mb=0, pss_mb=0)
        check(self._column, found)
        self.failed += found.failed
        return found.requests_per_s


def _in_turn(seats: Mapping[str, Seat], kind: str, turns: int) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {name: [] for name in seats}
    names = list(seats)
    for turn in range(turns):
        first = turn % len(names)
        order = names[first:] + names[:first]
        for name in order if turn % 2 else order[::-1]:
            rates[name].append(seats[name].rate(kind))
    return rates
