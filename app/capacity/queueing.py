"""What clients wait who come at random, by trying it out.

Formulas want the times of service to be distributed in some known way; those that were measured are not. Clients keep
their connections, each of which is one worker's, so a request may find its worker busy while another idles; once that
one is longer at a request than PASSED_ON_MS, another takes what waits for it (app/server/shift.py).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

PASSED_ON_MS = 20.0
REQUESTS, REQUESTS_A_WORKER = 20_000, 500
# The first so many: until the queues are as long as they will be.
LEFT_OUT = 0.1
SEED = 22


def latency_ms(service_ms: Sequence[float], workers: int, rate_per_s: float, percent: float) -> float:
    """That percentile of waiting and service, at a rate of requests that come independently (Poisson)."""
    source = random.Random(SEED)  # noqa: S311 - no secret
    begun_ms, done_ms = [0.0] * workers, [0.0] * workers
    per_ms = rate_per_s / 1e3
    now_ms, latencies = 0.0, []
    for service in source.choices(service_ms, k=max(REQUESTS, REQUESTS_A_WORKER * workers)):
        now_ms += source.expovariate(per_ms)
        worker = source.randrange(workers)
        start_ms = max(now_ms, done_ms[worker])
        if done_ms[worker] - begun_ms[worker] > PASSED_ON_MS:
            other = min(range(workers), key=done_ms.__getitem__)
            passed_ms = max(now_ms, begun_ms[worker] + PASSED_ON_MS, done_ms[other])
            if passed_ms < start_ms:
                worker, start_ms = other, passed_ms
        begun_ms[worker], done_ms[worker] = start_ms, start_ms + service
        latencies.append(done_ms[worker] - now_ms)
    return of_ordered(sorted(latencies[int(LEFT_OUT * len(latencies)) :]), percent)


def of_ordered(values: Sequence[float], percent: float) -> float:
    """That percentile of values from the least to the greatest."""
    return values[round((len(values) - 1) * percent / 100)]
