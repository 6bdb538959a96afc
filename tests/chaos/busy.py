"""Workers that are all busy, and one that hangs: what probes, Prometheus and the others see of it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.chaos.clients import Clients, Seen
from tests.chaos.table import Row
from tests.chaos.tail import Tail
from tests.kit.fleet import Fleet, serving
from tests.kit.session import free_port
from tests.live.hanging import begun, hanging

WORKERS = 10
TIMEOUT_S = 3
# Of 202 words: half a minute, where ten workers share two cores.
LONG_TEXTS = 500
ADMIN_MS = {"/livez": 50, "/readyz": 50, "/metrics": 250}
MAIN_MS = {"/livez": 500, "/readyz": 500}
MAX_QUEUE_MS = 200
LONG = [" ".join(f"word{number}" for number in range(100))]


class Asked:
    """The longest that each path took to answer, at an address."""

    def __init__(self, fleet: Fleet, most_ms: Mapping[str, int]) -> None:
        self._fleet = fleet
        self._most_ms = most_ms
        self.longest_ms = dict.fromkeys(most_ms, 0.0)
        self.count = 0

    def ask(self) -> None:
        """Each path once."""
        for path in self._most_ms:
            status, took_ms = _asked(self._fleet, path)
            assert status == 200
            self.longest_ms[path] = max(self.longest_ms[path], took_ms)
            self.count += 1

    @property
    def is_in_time(self) -> bool:
        return all(self.longest_ms[path] <= most_ms for path, most_ms in self._most_ms.items())

    @property
    def expected(self) -> str:
        return ", ".join(f"{path} within {most_ms} ms" for path, most_ms in self._most_ms.items())

    @property
    def seen(self) -> str:
        longest = ", ".join(f"{path} {longest_ms:.0f} ms" for path, longest_ms in self.longest_ms.items())
        return f"{self.count} asked, longest {longest}"


def probes(for_s: float) -> list[Row]:
    """Probes and Prometheus at both addresses, while forty clients keep all ten workers at long requests."""
    port = free_port()
    texts: list[str | list[str]] = [[f"{number} {one} {' '.join(LONG)}" for one in range(16)] for number in range(40)]
    with serving(workers=WORKERS, BERT_ADMIN_BIND=f"127.0.0.1:{port}") as fleet, Clients(fleet, 40, texts):
        at = {"BERT_ADMIN_BIND": Asked(fleet.at(port), ADMIN_MS), "the service's own address": Asked(fleet, MAIN_MS)}
        time.sleep(2)
        until_s = time.monotonic() + for_s
        while time.monotonic() < until_s:
            for one in at.values():
                one.ask()
            time.sleep(0.5)
    fault = f"{for_s:.0f} s of forty clients with 16 × 100 words, ten workers, probes at "
    return [
        Row(fault + where, one.expected, one.seen, is_whole=True, is_in_time=one.is_in_time)
        for where, one in at.items()
    ]


def full(for_s: float) -> Row:
    """Short requests and probes at the one address, while every worker is in a request of half a minute."""
    long: list[str | list[str]] = [[f"{one} {' '.join(LONG)} {' '.join(LONG)}" for one in range(LONG_TEXTS)]]
    refused, answered, late_ms = 0, 0, 0.0
    with (
        serving(workers=WORKERS, BERT_MAX_QUEUE_MS=str(MAX_QUEUE_MS)) as fleet,
        Clients(fleet, WORKERS, long, 120) as clients,
    ):
        own = Asked(fleet, MAIN_MS)
        time.sleep(2)
        until_s = time.monotonic() + for_s
        while time.monotonic() < until_s:
            own.ask()
            status, took_ms = _asked(fleet, "/predict", {"text": "Hello"})
            refused, answered = refused + (status == 429), answered + (status == 200)
            late_ms = max(late_ms, took_ms) if status == 429 else late_ms
            time.sleep(1)
        failed = clients.since(0).failed
    shortest_s = min(clients.since(0).waits_ms) / 1000
    return Row(
        f"{for_s:.0f} s of ten clients that keep each of ten workers for {shortest_s:.0f} s and more at a time",
        f"short requests are told 429 within BERT_MAX_QUEUE_MS ({MAX_QUEUE_MS}) + 100 ms; {own.expected}",
        f"{refused} refused, the last to know after {late_ms:.0f} ms, {answered} answered between two; {own.seen}",
        is_whole=not failed and refused > 0,
        is_in_time=late_ms <= MAX_QUEUE_MS + 100 and own.is_in_time,
    )


def _asked(fleet: Fleet, path: str, body: dict[str, str] | None = None) -> tuple[int, float]:
    """Its status, and milliseconds."""
    began_s = time.perf_counter()
    answer = fleet.ask(path, body)
    return answer.status, (time.perf_counter() - began_s) * 1000


def hung(times: int) -> Row:
    """A request that never ends, beside ten clients, in turn with equal windows of calm."""
    calm, beside, replaced_s = Seen([]), Seen([]), []
    with (
        tempfile.TemporaryDirectory() as folder,
        hanging(Path(folder), WORKERS, BERT_TIMEOUT_S=str(TIMEOUT_S)) as fleet,
        Clients(fleet) as clients,
    ):
        for _ in range(times):
            mark = clients.mark()
            time.sleep(TIMEOUT_S + 2)
            calm += clients.since(mark)
            mark = clients.mark()
            replaced_s.append(_hang(fleet))
            beside += clients.since(mark)
    failed = sum((calm + beside).failed.values())
    worst, usual = beside.quantile_ms(0.99), calm.quantile_ms(0.99)
    return Row(
        f"{times} × a request that hangs, ten clients beside it",
        f"its worker replaced within BERT_TIMEOUT_S ({TIMEOUT_S}) + 2 s; the others never notice",
        f"replaced after {max(replaced_s):.1f} s at most; {failed} of {len(beside.samples)} failed; p99 {worst:.0f} ms "
        f"and {usual:.0f} in equal windows of calm",
        is_whole=not failed,
        is_in_time=max(replaced_s) <= TIMEOUT_S + 2,
    )


def _hang(fleet: Fleet) -> float:
    """Seconds from the request until the successor of its worker is ready."""
    tail, began_s = Tail(fleet), time.monotonic()
    connection = begun(fleet, "hang")
    tail.await_events("worker ready")
    took_s = time.monotonic() - began_s
    connection.close()
    return took_s
