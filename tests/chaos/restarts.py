"""Rolling restarts under load: HUP, and USR2 with TERM to the old master, beside equal windows of calm."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from tests.chaos.clients import Clients, Seen
from tests.chaos.table import Row
from tests.chaos.tail import Tail
from tests.kit.fleet import Fleet, serving, wait_for
from tests.kit.session import is_running

WORKERS = 10


def hang_up(fleet: Fleet) -> None:
    """A reload, until only new workers serve."""
    tail = Tail(fleet)
    os.kill(fleet.master_pid, signal.SIGHUP)
    tail.await_events("all workers ready")


def hand_over(fleet: Fleet) -> None:
    """A successor, then the end of the old master."""
    tail, old = Tail(fleet), fleet.master_pid
    os.kill(old, signal.SIGUSR2)
    fleet.master_pid = tail.await_events("all workers ready")[-1]["pid"]
    fleet.workers()
    os.kill(old, signal.SIGTERM)
    wait_for(lambda: not is_running(old), "the old master's end", timeout_s=60)
    tail.await_events("master is alone now")  # before that it takes no USR2


def restarts(name: str, restart: Callable[[Fleet], None], times: int, window_s: float) -> Row:
    """So many restarts, each in a window, with a window of calm before and after it."""
    with serving(workers=WORKERS) as fleet:
        with Clients(fleet) as clients:
            restarted, calm_before, calm_after = Seen([]), Seen([]), Seen([])
            for _ in range(times):
                calm_before += window(clients, window_s, lambda: None)
                restarted += window(clients, window_s, lambda: restart(fleet))
                calm_after += window(clients, window_s, lambda: None)
        stop_last(fleet)
    calm = calm_before + calm_after
    total = restarted + calm
    worst, usual = restarted.quantile_ms(0.999), calm.quantile_ms(0.999)
    same = max(calm_before.quantile_ms(0.999), calm_after.quantile_ms(0.999)) / min(
        calm_before.quantile_ms(0.999), calm_after.quantile_ms(0.999)
    )
    failed = sum(total.failed.values())
    return Row(
        f"{times} × {name}, ten clients",
        "0 failed; the 99.9th percentile at most twice that of equal windows beside them",
        f"{failed} of {len(total.samples)} failed {dict(total.failed) or ''}, {clients.retried} asked again; "
        f"p99.9 {worst:.0f} ms and {usual:.0f} ({worst / usual:.1f} times; calm beside calm {same:.1f}), "
        f"longest {restarted.waits_ms[-1]:.0f} and {calm.waits_ms[-1]:.0f}",
        is_whole=not failed,
        is_in_time=worst <= 2 * usual,
    )


def window(clients: Clients, at_least_s: float, doing: Callable[[], None]) -> Seen:
    """What the clients saw while something was done, and for so long at least."""
    mark, began = clients.mark(), time.monotonic()
    doing()
    time.sleep(max(0.0, at_least_s - (time.monotonic() - began)))
    return clients.since(mark)


def stop_last(fleet: Fleet) -> None:
    """End a fleet whose first process is gone after a handover, by its master's own id."""
    if fleet.master_pid != fleet.process.pid:
        fleet.workers()
        os.kill(fleet.master_pid, signal.SIGTERM)
        wait_for(lambda: not is_running(fleet.master_pid), "the last master's end", timeout_s=40)
