"""How it ends under load: told to, with a log that nobody reads, and without its master."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time

from tests.chaos.clients import LOST_WHEN_REUSED, Clients
from tests.chaos.table import Row
from tests.kit.fleet import Fleet, serving, serving_unread, wait_for
from tests.kit.session import is_running

WORKERS = 10
TOO_LATE = {"connection refused", LOST_WHEN_REUSED}
"""What a client sees that comes once the port is closed."""


def terms(times: int) -> Row:
    """TERM under load: who was accepted is answered."""
    lost = answered = 0
    slowest_s = 0.0
    codes = set()
    for _ in range(times):
        with serving(workers=WORKERS) as fleet, Clients(fleet) as clients:
            mark, began = clients.mark(), time.monotonic()
            os.kill(fleet.master_pid, signal.SIGTERM)
            codes.add(fleet.process.wait(40))
            slowest_s = max(slowest_s, time.monotonic() - began)
            time.sleep(0.2)
            seen = clients.since(mark)
        answered += len(seen.samples) - sum(seen.failed.values())
        lost += sum(count for error, count in seen.failed.items() if error not in TOO_LATE)
    return Row(
        f"{times} × TERM, ten clients that go on asking",
        "whoever was accepted is answered, later ones are refused; exit code 0",
        f"{answered} answered after the signal, {lost} lost; gone after {slowest_s:.1f} s at most; exit code {codes}",
        is_whole=not lost and codes == {0},
    )


def unread(seconds: float) -> Row:
    """A log that nobody reads, then TERM."""
    with serving_unread(workers=WORKERS) as (fleet, _), Clients(fleet) as clients:
        time.sleep(seconds)
        seen = clients.since(0)
        dropped = fleet.metric("bert_log_lines_dropped_total")
        began = time.monotonic()
        os.kill(fleet.master_pid, signal.SIGTERM)
        code = fleet.process.wait(40)
        took_s = time.monotonic() - began
    failed = sum(seen.failed.values())
    return Row(
        f"{seconds:.0f} s of a log that nobody reads, ten clients, then TERM",
        "0 failed; exit code 0 at once",
        f"{failed} of {len(seen.samples)} failed, {dropped:.0f} lines lost and counted; ended after {took_s:.1f} s "
        f"with {code}",
        is_whole=not failed and not code and dropped > 0,
        is_in_time=took_s < 5,
    )


def orphans() -> Row:
    """kill -9 of the master under load."""
    with serving(workers=WORKERS) as fleet, Clients(fleet):
        workers = fleet.workers()
        began = time.monotonic()
        os.kill(fleet.master_pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: not any(map(is_running, workers)), "the workers' end", timeout_s=10)
        took_s, left = time.monotonic() - began, sum(map(is_running, workers))
        is_free = is_port_free(fleet)
    return Row(
        "kill -9 of the master, ten clients",
        "its workers gone within 2 s, the port free",
        f"{left} left after {took_s:.1f} s; the port is {'free' if is_free else 'TAKEN'}",
        is_whole=not left and is_free,
        is_in_time=took_s <= 2,
    )


def is_port_free(fleet: Fleet) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", fleet.port))
        except OSError:
            return False
        return True
