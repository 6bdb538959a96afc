"""The study's load: so many requests from so many clients, each of which asks again when it has its answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.kit.connection import Connection
from tests.kit.generator import Driver, Sample, measuring
from tests.kit.generator import Load as Window
from tests.kit.wire import Request


@dataclass
class Load:
    """What the clients saw, and what the service took meanwhile."""

    total_s: float
    """From the first request to the last answer."""
    service_cpu_s: float
    samples: list[Sample] = field(default_factory=list)


def counted(
    port: int,
    requests: Sequence[Request],
    clients: int,
    total: int,
    service_cpu_s: Callable[[], float] = lambda: 0.0,
    *,
    most_s: float = 3600.0,
) -> Load:
    """`total` requests from `clients` clients; those that fail or time out count as sent. Ends early after `most_s`."""
    driver, sent, window = Driver(port, requests), 0, Window(0.0)

    def send(connection: Connection) -> None:
        nonlocal sent
        if sent < total:
            sent += 1
            driver.begin(connection, time.perf_counter())

    driver.when_free = send
    try:
        with measuring(window, service_cpu_s):
            began_s = time.perf_counter()
            for _ in range(min(clients, total)):
                send(driver.connection())
            while len(driver.samples) < total and time.perf_counter() - began_s < most_s:
                driver.turn(0.5)
            total_s = time.perf_counter() - began_s
    finally:
        driver.close()
    return Load(total_s, window.service_cpu_s, driver.samples)
