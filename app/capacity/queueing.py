"""What clients wait who come at random, by trying it out.

Formulas want the times of service to be distributed in some known way; those that were measured are not. Clients keep
their connections, each of which is one worker's, so a request may find its worker busy while another idles. (Where a
worker is longer at a request than 20 ms, another takes what waits for it: that is left out, so that p99 of such long
requests is less than is said here.)
"""

from __future__ import annotations

import random
from collections.abc import Sequence

REQUESTS = 20_000
# Until the queues are as long as they will be.
LEFT_OUT = 2_000
SEED = 22


def latency_ms(service_ms: Sequence[float], workers: int, rate_per_s: float, percent: float) -> float:
    """That percentile of waiting and service, at a rate of requests that come independently (Poisson)."""
    source = random.Random(SEED)  # noqa: S311 - no secret
    done_ms = [0.0] * workers
    per_ms = rate_per_s / 1e3
    now_ms, latencies = 0.0, []
    for service in source.choices(service_ms, k=REQUESTS):
        now_ms += source.expovariate(per_ms)
        worker = source.randrange(workers)
        done_ms[worker] = max(now_ms, done_ms[worker]) + service
        latencies.append(done_ms[worker] - now_ms)
    return of_ordered(sorted(latencies[LEFT_OUT:]), percent)


def of_ordered(values: Sequence[float], percent: float) -> float:
    """That percentile of values from the least to the greatest."""
    return values[round((len(values) - 1) * percent / 100)]
