"""The rows of the study's table, as one round of one configuration saw them."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.bench.figures import QUANTILES
from tests.kit.quantiles import percentile
from tests.study.load import Load


@dataclass(frozen=True)
class Cell:
    """One kind of payload: times in seconds, as the clients saw them."""

    total_requests: int
    concurrency: int
    successful: int
    failed: int
    errors: dict[str, int]
    total_s: float
    requests_per_s: float
    average_s: float | None
    min_s: float | None
    max_s: float | None
    deviation_s: float | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    cpu_percent_load: float
    """Of one core; two cores busy are 200."""
    rss_mb_load: float
    pss_mb_load: float
    quantiles_s: list[float] = field(default_factory=list, repr=False)


@dataclass(frozen=True)
class Step:
    """One number of clients of the rise."""

    clients: int
    requests_per_s: float
    p95_s: float | None
    errors: dict[str, int]


@dataclass(frozen=True)
class Visit:
    """One round's visit to one configuration."""

    column: str
    round: int
    ready_s: float
    cpu_percent_idle: float
    rss_mb_idle: float
    pss_mb_idle: float
    least_cosine: float
    """To sentence-transformers, of whole vectors, asked by ten clients at once."""
    checked_texts: int
    cells: dict[str, Cell]
    steps: list[Step]
    info: dict[str, Any]
    took_s: float


def cell(load: Load, clients: int, *, rss_mb: float, pss_mb: float) -> Cell:
    """The rows of a load; times are those of right answers."""
    good = [sample for sample in load.samples if sample.error is None]
    times_s = sorted(sample.finished_s - sample.started_s for sample in good)
    errors = Counter(sample.error for sample in load.samples if sample.error)
    return Cell(
        total_requests=len(load.samples),
        concurrency=clients,
        successful=len(good),
        failed=len(load.samples) - len(good),
        errors=dict(errors),
        total_s=load.total_s,
        requests_per_s=len(good) / load.total_s,
        average_s=statistics.fmean(times_s) if times_s else None,
        min_s=times_s[0] if times_s else None,
        max_s=times_s[-1] if times_s else None,
        deviation_s=statistics.pstdev(times_s) if times_s else None,
        p50_s=percentile(times_s, 50),
        p95_s=percentile(times_s, 95),
        p99_s=percentile(times_s, 99),
        cpu_percent_load=100 * load.service_cpu_s / load.total_s,
        rss_mb_load=rss_mb,
        pss_mb_load=pss_mb,
        quantiles_s=[round(percentile(times_s, percent) or 0.0, 5) for percent in QUANTILES] if times_s else [],
    )
