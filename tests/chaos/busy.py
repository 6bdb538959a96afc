"""Workers that are all busy, and one that hangs: what probes, Prometheus and the others see of it."""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from pathlib import Path

from tests.chaos.clients import Clients, Seen
from tests.chaos.table import Row
from tests.chaos.tail import Tail
from tests.live.fleet import Fleet, free_port, serving
from tests.live.test_front import hanging

WORKERS = 10
TIMEOUT_S = 3
PROBES_MS = {"/livez": 50, "/readyz": 50, "/metrics": 250}
LONG = [" ".join(f"word{number}" for number in range(100))]


def probes(for_s: float) -> Row:
    """Probes and Prometheus at the second address, while forty clients keep all ten workers at long requests."""
    port = free_port()
    longest_ms = dict.fromkeys(PROBES_MS, 0.0)
    asked = 0
    texts: list[str | list[str]] = [[f"{number} {one} {' '.join(LONG)}" for one in range(16)] for number in range(40)]
    with serving(workers=WORKERS, BERT_ADMIN_BIND=f"127.0.0.1:{port}") as fleet, Clients(fleet, 40, texts):
        time.sleep(2)
        until_s = time.monotonic() + for_s
        while time.monotonic() < until_s:
            for path in PROBES_MS:
                longest_ms[path] = max(longest_ms[path], _asked_ms(port, path))
                asked += 1
            time.sleep(0.5)
    return Row(
        f"{for_s:.0f} s of forty clients with 16 × 100 words, ten workers, probes at BERT_ADMIN_BIND",
        ", ".join(f"{path} within {most} ms" for path, most in PROBES_MS.items()),
        f"{asked} asked, longest " + ", ".join(f"{path} {longest:.0f} ms" for path, longest in longest_ms.items()),
        is_whole=True,
        is_in_time=all(longest_ms[path] <= most for path, most in PROBES_MS.items()),
    )


def _asked_ms(port: int, path: str) -> float:
    began_s = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status == 200
    return (time.perf_counter() - began_s) * 1000


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
    connection = http.client.HTTPConnection("127.0.0.1", fleet.port, timeout=30)
    connection.request("POST", "/predict", json.dumps({"text": "hang"}), {"Content-Type": "application/json"})
    tail.await_events("worker ready")
    took_s = time.monotonic() - began_s
    connection.close()
    return took_s
