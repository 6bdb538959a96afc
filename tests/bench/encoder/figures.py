"""From visits to figures: the median of the rounds, beside the native engine and beside the core's peak."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench.encoder.timing import Visit


@dataclass(frozen=True)
class Timing:
    """One engine at one workload."""

    engine: str
    precision: str
    workload: str
    ms: float
    """The median over rounds of each round's median."""
    least_ms: float
    rounds: int
    calls: int
    cores: float
    """CPU time of the process by time: above 1, it was not one thread; below, another process had the core."""
    times_native: dict[str, float] = field(default_factory=dict)
    """By precision, how many times the native engine's time at this workload."""
    share_of_peak: float | None = None
    """Of what this core can multiply in this precision, here and now; a native path: with its own instructions."""
    stages: dict[str, float] = field(default_factory=dict)
    """The part of a forward that each took; of the native engine alone."""

    @property
    def label(self) -> str:
        return f"{self.engine} {self.precision}"


@dataclass(frozen=True)
class Yardsticks:
    """What the times are held against."""

    flop: dict[str, float]
    """By workload."""
    peaks_gflops: dict[str, float]
    """Of one core, by precision: the most that any path reaches."""
    own_peaks_gflops: dict[str, dict[str, float]]
    """Of the native engine's paths, by the engine's name and precision."""
    native: dict[str, str]
    """By precision, the name of the native engine on the path that the service takes."""

    def peak_gflops(self, engine: str, precision: str) -> float | None:
        """What an engine is held against: its own path's peak, or the core's."""
        return self.own_peaks_gflops.get(engine, self.peaks_gflops).get(precision)


def timings(visits: Sequence[Visit], yardsticks: Yardsticks) -> list[Timing]:
    """One for each engine and workload, in the order in which they were first visited."""
    groups: dict[tuple[str, str, str], list[Visit]] = {}
    for visit in visits:
        groups.setdefault((visit.engine, visit.precision, visit.workload), []).append(visit)
    ms = {key: statistics.median(statistics.median(visit.calls_ms) for visit in mine) for key, mine in groups.items()}
    return [_timing(key, mine, ms, yardsticks) for key, mine in groups.items()]


def _timing(
    key: tuple[str, str, str], mine: Sequence[Visit], ms: dict[tuple[str, str, str], float], yardsticks: Yardsticks
) -> Timing:
    engine, precision, workload = key
    natives = {kind: ms.get((name, kind, workload)) for kind, name in yardsticks.native.items()}
    calls_ms = [call_ms for visit in mine for call_ms in visit.calls_ms]
    return Timing(
        *(engine, precision, workload, ms[key], min(calls_ms)),
        rounds=len(mine),
        calls=len(calls_ms),
        cores=sum(visit.cpu_ms for visit in mine) / sum(calls_ms),
        times_native={kind: ms[key] / native_ms for kind, native_ms in natives.items() if native_ms},
        share_of_peak=share(yardsticks.flop[workload], ms[key], yardsticks.peak_gflops(engine, precision)),
        stages=parts([visit.stages_ms for visit in mine]),
    )


def share(flop: float, ms: float, peak_gflops: float | None) -> float | None:
    """The part of a core's peak that this is."""
    return flop / (ms / 1e3) / (peak_gflops * 1e9) if peak_gflops else None


def parts(stages_ms: Sequence[dict[str, float]]) -> dict[str, float]:
    """The part of each stage in the sum of all, each the median over rounds; none if there are none."""
    medians = {stage: statistics.median(one[stage] for one in stages_ms) for stage in stages_ms[0]}
    whole = sum(medians.values())
    return {stage: ms / whole for stage, ms in medians.items()} if whole else {}
