"""Ten clients that ask all the time, in a thread of their own, and what they saw between two moments."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import orjson

from tests.kit.connection import Connection
from tests.kit.fleet import Fleet
from tests.kit.generator import Driver, Sample
from tests.kit.quantiles import of_any
from tests.kit.wire import CHECKED, Request, post

CLIENTS = 10
LOST_WHEN_REUSED = "closed when reused"
TEXTS = [f"This is text number {number} of those that are asked for while things go wrong." for number in range(40)]


class Retrying(Driver):
    """A client may ask again, once, where a connection that it had used before gave no byte (RFC 9110, 9.2.2)."""

    retried = 0

    def _finish(self, connection: Connection) -> None:
        if connection.error == LOST_WHEN_REUSED and connection.request is not None:
            self.retried += 1
            request, started_s = connection.request, connection.started_s
            connection.close()
            if not connection.begin(request, connection.scheduled_s):
                connection.started_s = started_s
                return
        super()._finish(connection)


@dataclass(frozen=True)
class Seen:
    """What the clients saw in some time."""

    samples: Sequence[Sample]

    @property
    def failed(self) -> Counter[str]:
        """By kind; retried ones that were answered are none."""
        return Counter(one.error for one in self.samples if one.error)

    @property
    def waits_ms(self) -> list[float]:
        """From each request to its answer, in order of size."""
        return sorted((one.finished_s - one.scheduled_s) * 1000 for one in self.samples if not one.error)

    def quantile_ms(self, share: float) -> float:
        """The wait that this share of the requests did not exceed."""
        return of_any(self.waits_ms, 100 * share)

    def __add__(self, other: Seen) -> Seen:
        return Seen([*self.samples, *other.samples])


class Clients:
    """See the module; a context manager."""

    def __init__(
        self,
        fleet: Fleet,
        clients: int = CLIENTS,
        texts: Sequence[str | list[str]] = TEXTS,
        timeout_s: float = 20,
    ) -> None:
        self._driver = Retrying(fleet.port, [_request(fleet, text) for text in texts], timeout_s=timeout_s)
        self._clients = clients
        self._timeout_s = timeout_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(self._timeout_s + 10)

    @property
    def retried(self) -> int:
        """Requests that were asked again, on a new connection."""
        return self._driver.retried

    def mark(self) -> int:
        """This moment, for `since`."""
        return len(self._driver.samples)

    def since(self, mark: int) -> Seen:
        """What has ended since then."""
        return Seen(self._driver.samples[mark:])

    def _run(self) -> None:
        driver = self._driver
        driver.when_free = lambda connection: driver.begin(connection, time.perf_counter())
        for _ in range(self._clients):
            driver.begin(driver.connection(), time.perf_counter())
        while not self._is_over.is_set():
            driver.turn(0.05)
        driver.when_free = lambda _connection: None
        end_s = time.perf_counter() + self._timeout_s + 5
        while driver.busy and time.perf_counter() < end_s:
            driver.turn(0.05)
        driver.close()


def _request(fleet: Fleet, text: str | list[str]) -> Request:
    """A text, or several, with the first numbers of the vectors that the fleet gives in peace."""
    body: Any = {"text": text}
    rows = orjson.loads(fleet.ask("/predict", body).body)["embeddings"]
    heads = tuple(tuple(row[:CHECKED]) for row in rows)
    return Request(post("/predict", body, fleet.port), len(rows), 0.0, len(rows[0]), heads)
