"""The open loop: requests due at fixed times, at one rate, and rates that rise until the service gives way."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from tests.kit.connection import Connection
from tests.kit.generator import MOST_CONNECTIONS, Driver, Load, Pace, measuring, run
from tests.kit.wire import Request

# A service gives way where it answers less than this share of what is due, or where its slowest percent take longer.
LEAST_GOODPUT = 0.95
MOST_P99_MS = 500


def arrivals(rate_per_s: float, duration_s: float) -> list[float]:
    """Seconds after the start at which requests are due: evenly spaced."""
    return [index / rate_per_s for index in range(int(rate_per_s * duration_s))]


def at_random(rate_per_s: float, duration_s: float) -> list[float]:
    """The same, of clients who know nothing of each other (Poisson)."""
    source = random.Random()
    found, when_s = [], source.expovariate(rate_per_s)
    while when_s < duration_s:
        found.append(when_s)
        when_s += source.expovariate(rate_per_s)
    return found


def open_loop(
    port: int,
    requests: Sequence[Request],
    rate_per_s: float,
    pace: Pace,
    service_cpu_s: Callable[[], float] = lambda: 0.0,
    come: Callable[[float, float], list[float]] = arrivals,
) -> Load:
    """Requests at a fixed rate; those due in the window count, with those still unanswered at the end as late."""
    driver, load = Driver(port, requests), Load(pace.window_s)
    try:
        begin_s = time.perf_counter() + 0.05
        window_s, end_s = begin_s + pace.warm_s, begin_s + pace.warm_s + pace.window_s
        due = [begin_s + after for after in come(rate_per_s, pace.warm_s + pace.window_s)]
        send = sender(driver, due)
        send(window_s)
        with measuring(load, service_cpu_s):
            send(end_s)
        load.window_s = time.perf_counter() - window_s
        run(driver, end_s + pace.drain_s, lambda: not driver.busy)
    finally:
        driver.close()
    load.answered = sum(sample.error is None and window_s <= sample.finished_s <= end_s for sample in driver.samples)
    load.samples = [sample for sample in driver.samples if sample.scheduled_s >= window_s]
    load.late = sum(when >= window_s for when in due) - len(load.samples)
    load.unsent = load.late - sum(connection.scheduled_s >= window_s for connection in driver.busy)
    return load


def sender(driver: Driver, due: list[float]) -> Callable[[float], None]:
    """A function that sends what is due until a time; called again, it goes on."""
    idle: list[Connection] = []
    driver.when_free = idle.append
    sent = opened = 0

    def send(until_s: float) -> None:
        nonlocal sent, opened
        while (now := time.perf_counter()) < until_s:
            while sent < len(due) and due[sent] <= now and (idle or opened < MOST_CONNECTIONS):
                opened += not idle
                driver.begin(idle.pop() if idle else driver.connection(), due[sent])
                sent += 1
            next_s = due[sent] if sent < len(due) and due[sent] > now else until_s
            driver.turn(min(next_s, until_s) - time.perf_counter())

    return send


def gives_way(offered_per_s: float, answered_per_s: float, p99_ms: float | None) -> bool:
    """Whether a rate is over the knee."""
    return answered_per_s < LEAST_GOODPUT * offered_per_s or p99_ms is None or p99_ms > MOST_P99_MS
