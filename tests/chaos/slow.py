"""Slow clients of every kind beside ten healthy ones, in turn with equal windows of calm."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from tests.chaos.clients import Clients, Seen
from tests.chaos.table import Row
from tests.kit.fleet import Fleet, serving

WORKERS = 10
# Few readers, for their large answers cost the workers' time, which the healthy would rightly wait for.
KINDS = [*["head", "body"] * 4, "head", "reader"]
HELD = ["open", "half", *["huge"] * 10]
WINDOW_S = 10.0


def slow(times: int, count: int = 200) -> Row:
    """So many slow clients at once, each sending or reading a byte now and then."""
    with serving(workers=WORKERS) as fleet, Clients(fleet) as clients:
        before = set(fleet.workers())
        calm, held, told = _alternating(fleet, clients, times, (KINDS * count)[:count], with_arrival=True)
        lost = len(before - set(fleet.workers()))
    failed = sum((calm + held).failed.values())
    ends, longest_s = _together(told)
    usual, worst = calm.quantile_ms(0.99), held.quantile_ms(0.99)
    return Row(
        f"{times} × {count} clients that send or read a byte in half a second, beside ten healthy ones",
        "0 failed; p99 at most 1.2 times that of equal windows beside them; all told 408 or hung up on within 10 s",
        f"{failed} of {len(held.samples)} failed; p99 {worst:.0f} ms and {usual:.0f} ({worst / usual:.2f} times); "
        f"{ends}, after {longest_s:.1f} s at most; {lost} workers lost",
        is_whole=not failed and not lost and "held" not in ends,
        is_in_time=worst <= 1.2 * usual and longest_s <= 10,
    )


def held(times: int) -> Row:
    """One who does not hang up, one who does not send its body, ten who do not read 40 MB: others wait no longer."""
    with serving(workers=WORKERS) as fleet, Clients(fleet) as clients:
        calm, held, told = _alternating(fleet, clients, times, HELD, with_arrival=False)
    failed = sum((calm + held).failed.values())
    ends, longest_s = _together(told)
    usual, worst = calm.waits_ms[-1], held.waits_ms[-1]
    return Row(
        f"{times} × one who does not hang up, one who sends no body, ten who do not read 40 MB",
        "0 failed, and nobody waits 50 ms more than in equal windows beside them",
        f"{failed} of {len(held.samples)} failed; longest {worst:.0f} ms and {usual:.0f}; p99 "
        f"{held.quantile_ms(0.99):.0f} and {calm.quantile_ms(0.99):.0f}; {ends}, after {longest_s:.1f} s at most",
        is_whole=not failed,
        is_in_time=worst <= usual + 50,
    )


def _alternating(
    fleet: Fleet, clients: Clients, times: int, kinds: list[str], *, with_arrival: bool
) -> tuple[Seen, Seen, list[dict[str, Any]]]:
    calm, held, told = Seen([]), Seen([]), []
    for _ in range(times):
        mark = clients.mark()
        time.sleep(WINDOW_S)
        calm += clients.since(mark)
        command = [sys.executable, "-m", "tests.chaos.slow_clients", str(fleet.port), *kinds]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin
        assert process.stdout
        time.sleep(1)
        mark = clients.mark()
        process.stdin.write("go\n")
        process.stdin.flush()
        began_s = time.perf_counter()
        process.stdout.readline()  # they have begun
        if not with_arrival:
            began_s = time.perf_counter()
        told.append(json.loads(process.communicate(timeout=60)[0]))
        held += Seen([one for one in clients.since(mark).samples if one.scheduled_s >= began_s])
    return calm, held, told


def _together(told: list[dict[str, Any]]) -> tuple[str, float]:
    """How the slow ones ended, and after how long at most."""
    ends: Counter[str] = sum((Counter(one["ends"]) for one in told), Counter())
    return ", ".join(f"{number} × {how}" for how, number in sorted(ends.items())), max(one["longest_s"] for one in told)
