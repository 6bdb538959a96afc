"""The load: one thread, one poller, as many clients as wanted; closed loop and open loop.

Closed: each client sends its next request when it has its answer. Open: requests are due at fixed times, whatever the
service does, and a latency counts from when its request was due, so that a stall is seen by all whom it would have met.
"""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from selectors import DefaultSelector

from tests.kit.connection import Connection
from tests.kit.wire import Request

TIMEOUT_S = 30.0
# A client whose request failed waits before the next, or a refused connection would be tried a million times.
REST_S = 0.05
MOST_CONNECTIONS = 2000


@dataclass(frozen=True, slots=True)
class Sample:
    scheduled_s: float
    started_s: float
    finished_s: float
    request: Request
    error: str | None


@dataclass(frozen=True)
class Pace:
    """How long to warm up (until each client has an answer, at most so long), to measure, and to wait afterwards."""

    warm_s: float
    window_s: float
    drain_s: float = 2.0


@dataclass
class Load:
    """What was seen in the window of measurement."""

    window_s: float
    samples: list[Sample] = field(default_factory=list)
    answered: int = 0
    """Right answers that came within the window."""
    late: int = 0
    """Requests of an open loop that were due in the window and had no answer when the waiting ended."""
    unsent: int = 0
    """Of those, the ones that this process had not come to when the window ended."""
    generator_cpu_s: float = 0.0
    service_cpu_s: float = 0.0
    other_cpu_s: float | None = None
    """CPU time of everything else on this machine, and what its host took from it."""

    @property
    def good(self) -> list[Sample]:
        return [sample for sample in self.samples if sample.error is None]

    @property
    def errors(self) -> Counter[str]:
        return Counter(sample.error for sample in self.samples if sample.error)


class Driver:
    """Clients of one service, and the loop that moves them."""

    def __init__(self, port: int, requests: Sequence[Request], timeout_s: float = TIMEOUT_S) -> None:
        self._port = port
        self._requests = cycle(requests)
        self._timeout_s = timeout_s
        self._selector = DefaultSelector()
        self._resting: deque[tuple[float, Connection]] = deque()
        self._next_check_s = 0.0
        self.busy: set[Connection] = set()
        self.samples: list[Sample] = []
        self.when_free: Callable[[Connection], None] = lambda _connection: None

    def connection(self) -> Connection:
        """A client that has not connected yet."""
        return Connection(self._port, self._selector)

    def begin(self, connection: Connection, scheduled_s: float) -> None:
        """Let a client send the next request."""
        self.busy.add(connection)
        if connection.begin(next(self._requests), scheduled_s):
            self._finish(connection)

    def turn(self, most_s: float) -> None:
        """Wait for something to happen, `most_s` at most, and deal with all that has."""
        now = time.perf_counter()
        if self._resting:
            most_s = min(most_s, self._resting[0][0] - now)
        for key, _ in self._selector.select(max(0.0, most_s)):
            if key.data.advance():
                self._finish(key.data)
        now = time.perf_counter()
        while self._resting and self._resting[0][0] <= now:
            self.when_free(self._resting.popleft()[1])
        if now >= self._next_check_s:
            self._expire(now)

    def close(self) -> None:
        """Leave the service with what is in flight."""
        for key in list((self._selector.get_map() or {}).values()):
            key.data.close()
        self._selector.close()

    def _finish(self, connection: Connection) -> None:
        now, request = time.perf_counter(), connection.request
        assert request is not None
        connection.request = None
        self.busy.discard(connection)
        self.samples.append(Sample(connection.scheduled_s, connection.started_s, now, request, connection.error))
        if connection.error:
            self._resting.append((now + REST_S, connection))
        else:
            self.when_free(connection)

    def _expire(self, now: float) -> None:
        self._next_check_s = now + 0.1
        for connection in [one for one in self.busy if now - one.started_s > self._timeout_s]:
            connection.close()
            connection.error = "time-out"
            self._finish(connection)


@contextmanager
def measuring(load: Load, service_cpu_s: Callable[[], float]) -> Iterator[None]:
    """Note the CPU time that the service, this process and all others take meanwhile."""
    service, own, machine = service_cpu_s(), time.process_time(), machine_cpu_s()
    yield
    load.generator_cpu_s = time.process_time() - own
    load.service_cpu_s = service_cpu_s() - service
    load.other_cpu_s = max(0.0, machine_cpu_s() - machine - load.service_cpu_s - load.generator_cpu_s)


def machine_cpu_s() -> float:
    """Seconds of CPU that all processes have taken since the machine started, and those that its host withheld."""
    user, nice, system, _idle, _io_wait, *rest = map(
        int, Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def closed_loop(
    port: int,
    requests: Sequence[Request],
    concurrency: int,
    pace: Pace,
    service_cpu_s: Callable[[], float] = lambda: 0.0,
) -> Load:
    """Clients that each wait for their answer before they ask again; those answered in the window count."""
    driver, load = Driver(port, requests), Load(pace.window_s)
    try:
        driver.when_free = lambda connection: driver.begin(connection, time.perf_counter())
        begun_s = time.perf_counter()
        for _ in range(concurrency):
            driver.begin(driver.connection(), time.perf_counter())
        run(driver, begun_s + pace.warm_s, lambda: len(driver.samples) >= concurrency)
        with measuring(load, service_cpu_s):
            seen, begin_s = len(driver.samples), time.perf_counter()
            run(driver, begin_s + pace.window_s)
            load.window_s = time.perf_counter() - begin_s
        load.samples = driver.samples[seen:]
        load.answered = len(load.good)
        driver.when_free = lambda _connection: None
        run(driver, time.perf_counter() + pace.drain_s, lambda: not driver.busy)
    finally:
        driver.close()
    return load


def run(driver: Driver, end_s: float, is_enough: Callable[[], bool] = lambda: False) -> None:
    """Turn until a time, or until it is enough."""
    while (now := time.perf_counter()) < end_s and not is_enough():
        driver.turn(end_s - now)
