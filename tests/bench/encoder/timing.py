"""Interleaved rounds: within each, every engine gets its turn at every workload, so that a drift meets all alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.encoder.native import library
from tests.bench.encoder.agreement import cosines
from tests.bench.encoder.contender import Call, CannotRunError, Contender
from tests.bench.encoder.plan import Plan
from tests.bench.encoder.workloads import Workload

# To the first engine. In eight bits others are far off at times, and that is theirs: fidelity.py tells how far.
LEAST_COSINE = {"float32": 0.99, "bfloat16": 0.99, "int8": 0.5}
MOST_CALLS = 50


@dataclass(frozen=True)
class Visit:
    """One engine at one workload in one round."""

    engine: str
    precision: str
    workload: str
    calls_ms: list[float]
    cpu_ms: float
    """Of all calls, over all threads of this process."""
    stages_ms: dict[str, float] = field(default_factory=dict)
    """Of one more call."""


@dataclass(frozen=True)
class Seat:
    """An engine at a workload, prepared; `expected_ms` a call."""

    contender: Contender
    workload: Workload
    call: Call
    cosine: float
    """The least to the first engine, of the workload's texts."""
    expected_ms: float


def take_seats(contenders: Sequence[Contender], workloads: Sequence[Workload]) -> list[Seat]:
    """Prepare everything, and hold every engine's vectors against the first one's. Raises CannotRunError."""
    return [seat for workload in workloads for seat in _seats(contenders, workload)]


def _seats(contenders: Sequence[Contender], workload: Workload) -> Iterator[Seat]:
    expected: np.ndarray | None = None
    for contender in contenders:
        call = contender.prepare(workload)
        if call is None:
            continue
        vectors = call()
        began_s = time.perf_counter()
        call()
        took_ms = 1e3 * (time.perf_counter() - began_s)
        expected = vectors if expected is None else expected
        cosine = float(cosines(vectors, expected).min())
        if not cosine >= LEAST_COSINE[contender.precision]:
            raise CannotRunError(f"{contender.label} gives other vectors at {workload.name}: cosine {cosine:.4f}")
        yield Seat(contender, workload, call, cosine, took_ms)


class Rounds:
    """All rounds, and what they left."""

    def __init__(self, plan: Plan, seats: Sequence[Seat]) -> None:
        self._plan = plan
        self._seats = seats
        self.visits: list[Visit] = []
        self.peaks: dict[tuple[str, str], list[float]] = {}
        """By path and precision, GFLOP/s in each round."""
        gc.collect()
        gc.freeze()

    @property
    def expected_s(self) -> float:
        return sum(self.expected_round_s(number) for number in range(self._plan.rounds))

    def expected_round_s(self, number: int) -> float:
        visit_s, least = self._plan.visit_s, self._plan.least_calls
        calls_ms = [seat.expected_ms for seat in self._in_turn(number)]
        return sum(max(visit_s, ms / 1e3 * least) + ms / 1e3 * 2 for ms in calls_ms) + 6 * self._plan.peak_s

    def play(self, number: int) -> None:
        """One round, counted from 0. Each begins with another engine, so that none always follows the same one."""
        self._measure_peaks()
        for seat in self._in_turn(number):
            self.visits.append(self._visit(seat))

    def _in_turn(self, number: int) -> list[Seat]:
        present = [seat for seat in self._seats if number == 0 or not seat.contender.is_slow]
        found = []
        for workload in dict.fromkeys(seat.workload.name for seat in present):
            here = [seat for seat in present if seat.workload.name == workload]
            first = number % len(here)
            found += here[first:] + here[:first]
        return found

    def _measure_peaks(self) -> None:
        try:
            paths = [path for path in library.paths() if path not in library.PLAIN_PATHS.values()]
        except library.UnavailableError:
            return
        for path in paths:
            for precision in library.PRECISIONS:
                gflops = library.peak_gflops(path, precision, self._plan.peak_s)
                self.peaks.setdefault((path, precision), []).append(gflops)

    def _visit(self, seat: Seat) -> Visit:
        seat.call()
        cpu_s = time.process_time()
        calls_ms = list(self._calls_ms(seat.call))
        cpu_ms = 1e3 * (time.process_time() - cpu_s)
        contender = seat.contender
        stages = contender.stages_s(seat.workload) if contender.stages_s else {}
        stages_ms = {stage: 1e3 * took_s for stage, took_s in stages.items()}
        return Visit(contender.name, contender.precision, seat.workload.name, calls_ms, cpu_ms, stages_ms)

    def _calls_ms(self, call: Call) -> Iterator[float]:
        """At least the plan's number of calls; more while there is time."""
        until_s = time.perf_counter() + self._plan.visit_s
        for number in range(MOST_CALLS):
            began_s = time.perf_counter()
            if number >= self._plan.least_calls and began_s >= until_s:
                return
            call()
            yield 1e3 * (time.perf_counter() - began_s)


def median_peaks(peaks: dict[tuple[str, str], list[float]]) -> dict[str, dict[str, float]]:
    """By path, then precision: GFLOP/s, the median of the rounds."""
    found: dict[str, dict[str, float]] = {}
    for (path, precision), gflops in peaks.items():
        found.setdefault(path, {})[precision] = statistics.median(gflops)
    return found
