"""From samples to figures, and from the figures of several rounds to their medians."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from tests.kit.arithmetic import share_of_peak
from tests.kit.generator import Load
from tests.kit.open_loop import gives_way
from tests.kit.quantiles import percentile

QUANTILES = [*range(100), 99.5, 99.9, 100]
SAME_IN_ALL_ROUNDS = {"service", "case", "mode", "lengths", "load", "precision"}


@dataclass(frozen=True)
class Figures:
    """One service, one case, one round; or the median of several rounds."""

    service: str
    case: str
    mode: str
    lengths: str
    load: float
    """Clients of a closed loop, requests/s offered in an open one."""
    precision: str
    requests_per_s: float
    texts_per_s: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    errors: dict[str, int]
    late: int
    service_cores: float
    cpu_ms_a_request: float | None
    share_of_peak: float | None
    generator_share: float
    """The part of one core that the generator took."""
    other_cores: float | None
    """Cores that were taken by neither service nor generator."""
    generator_lag_ms: float
    """99th percentile of how late requests were sent."""
    quantiles_ms: list[float] = field(default_factory=list, repr=False)
    rounds: int = 1

    @property
    def error_count(self) -> int:
        return sum(self.errors.values())


@dataclass(frozen=True)
class Visit:
    """What one round saw of a service beside its cases."""

    service: str
    precision: str
    engine: str
    ready_s: float
    idle_s: float
    """Until all of it had come to rest: every worker loaded."""
    pss_mb: float | None
    knee_per_s: float | None
    gave_way: bool = False
    """Else the knee lies higher than the highest rate."""


def figures(
    load: Load, *, service: str, case: str, mode: str, lengths: str, offered: float, precision: str, peak: float | None
) -> Figures:
    """The figures of one load."""
    good = load.good
    latencies = sorted((sample.finished_s - sample.scheduled_s) * 1e3 for sample in good)
    lags = sorted((sample.started_s - sample.scheduled_s) * 1e3 for sample in load.samples)
    share = load.answered / len(good) if good else 0.0  # in an open loop the window's answers are not its requests'
    per_s = share / load.window_s
    return Figures(
        service, case, mode, lengths, offered, precision,
        requests_per_s=load.answered / load.window_s,
        texts_per_s=sum(sample.request.texts for sample in good) * per_s,
        p50_ms=percentile(latencies, 50), p95_ms=percentile(latencies, 95), p99_ms=percentile(latencies, 99),
        errors=dict(load.errors),
        late=load.late,
        service_cores=load.service_cpu_s / load.window_s,
        cpu_ms_a_request=load.service_cpu_s * 1e3 / load.answered if load.answered else None,
        share_of_peak=share_of_peak(sum(sample.request.flop for sample in good) * per_s, peak),
        generator_share=load.generator_cpu_s / load.window_s,
        other_cores=None if load.other_cpu_s is None else load.other_cpu_s / load.window_s,
        generator_lag_ms=percentile(lags, 99) or 0.0,
        quantiles_ms=[percentile(latencies, percent) or 0.0 for percent in QUANTILES] if latencies else [],
    )  # fmt: skip


def median(values: Iterable[float | None]) -> float | None:
    """The median of those that there are."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def medians(rounds: Sequence[Figures]) -> list[Figures]:
    """One for each service and case, in the order of their first appearance: medians, and errors added up."""
    groups: dict[tuple[str, str], list[Figures]] = defaultdict(list)
    for one in rounds:
        groups[one.service, one.case].append(one)
    return [_median_of(group) for group in groups.values()]


def _median_of(group: list[Figures]) -> Figures:
    errors: Counter[str] = Counter()
    for one in group:
        errors.update(one.errors)
    numbers: dict[str, Any] = {
        one.name: median(getattr(each, one.name) for each in group)
        for one in fields(Figures)
        if one.name not in SAME_IN_ALL_ROUNDS | {"errors", "late", "quantiles_ms", "rounds"}
    }
    curves = [each.quantiles_ms for each in group if each.quantiles_ms]
    numbers["quantiles_ms"] = [statistics.median(values) for values in zip(*curves, strict=True)]
    late = sum(each.late for each in group)
    return replace(group[0], **numbers, errors=dict(errors), late=late, rounds=len(group))


def median_visits(visits: Sequence[Visit]) -> list[Visit]:
    """One for each service."""
    groups: dict[str, list[Visit]] = defaultdict(list)
    for one in visits:
        groups[one.service].append(one)
    return [_median_visit(group) for group in groups.values()]


def _median_visit(group: list[Visit]) -> Visit:
    numbers: dict[str, Any] = {
        name: median(asdict(one)[name] for one in group) for name in ("ready_s", "idle_s", "pss_mb", "knee_per_s")
    }
    return replace(group[0], **numbers, gave_way=all(one.gave_way for one in group))


def knee_per_s(steps: Sequence[Figures]) -> float | None:
    """Of rates that rise, the last before the service gives way; None if it does so at once."""
    best = None
    for step in steps:
        if gives_way(step.load, step.requests_per_s, step.p99_ms):
            break
        best = step.load
    return best
