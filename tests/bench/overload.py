"""More requests than can be answered: how many are answered all the same, how late, and what the others are told.

    make bench-overload TOKENS=100

The service on one core, the generator on the other, which is never idle, for the cores may be two halves of one. In
each round ten clients in a closed loop, which is the peak, take turns with requests that come at fixed rates, multiples
of it; the closed loop begins at the moment at which the rate ends. A share is of sums over all rounds; in brackets what
95 of 100 draws of the rounds give. Exit 1 if a bound is missed. QUICK=1: the short form, which judges no times.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

from tests.kit.fleet import Fleet, serving
from tests.kit.generator import Load, Pace, closed_loop
from tests.kit.open_loop import open_loop
from tests.kit.places import default_model
from tests.kit.process import is_quick
from tests.kit.quantiles import of_any
from tests.kit.texts import Writer
from tests.kit.wire import CHECKED, REFUSED, Request, post

MAX_QUEUE_MS = 100
FACTORS = (1.5, 3.0, 10.0)
LEAST_SHARE = {1.5: 0.0, 3.0: 0.85, 10.0: 0.70}
LEAST_AFTERWARDS = 0.9
CLIENTS = 10
TEXTS = 64
TOKENS = 100
CALM, LOADED = Pace(0.0, 2.0), Pace(0.7, 2.5)
DRAWS = 400
BUSY = "import os; os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
Round = list[Load]


@contextmanager
def on_a_core_each() -> Iterator[Callable[[], None]]:
    """This process, and what it starts, on the first core; once the function is called, on the second."""
    cores = sorted(os.sched_getaffinity(0))

    def move() -> None:
        os.sched_setaffinity(0, cores[1:2] or cores)
        busy.append(subprocess.Popen([sys.executable, "-c", BUSY]))

    busy: list[subprocess.Popen[bytes]] = []
    os.sched_setaffinity(0, cores[:1])
    try:
        yield move
    finally:
        for one in busy:
            one.kill()
            one.wait()
        os.sched_setaffinity(0, cores)


def requests(fleet: Fleet, tokens: int) -> list[Request]:
    """Different texts of one length, whose vectors are checked."""
    writer = Writer(default_model().directory)
    found = []
    for _ in range(TEXTS):
        body = {"text": writer.write(tokens).text}
        row = fleet.ask("/predict", body).json["embeddings"][0]
        found.append(Request(post("/predict", body, fleet.port), 1, 0.0, len(row), (tuple(row[:CHECKED]),)))
    return found


def one_round(fleet: Fleet, asked: Sequence[Request]) -> Round:
    """Calm, a rate, calm, a rate, …, calm."""
    found = [closed_loop(fleet.port, asked, CLIENTS, CALM)]
    for factor in FACTORS:
        found.append(open_loop(fleet.port, asked, factor * found[-1].answered / found[-1].window_s, LOADED))
        found.append(closed_loop(fleet.port, asked, CLIENTS, CALM))
    return found


def per_s(loads: Sequence[Load]) -> float:
    return sum(load.answered for load in loads) / sum(load.window_s for load in loads)


def share(rounds: Sequence[Round], place: int) -> float:
    """What was answered there, of what was answered in the calm before and after it."""
    around = [one[near] for one in rounds for near in (place - 1, place + 1) if near < len(one)]
    return per_s([one[place] for one in rounds]) / per_s(around)


def interval(rounds: Sequence[Round], place: int) -> tuple[float, float]:
    """Of the share."""
    chance = random.Random(place)
    drawn = sorted(share(chance.choices(rounds, k=len(rounds)), place) for _ in range(DRAWS))
    return drawn[int(0.025 * DRAWS)], drawn[int(0.975 * DRAWS)]


def p99_ms(loads: Sequence[Load]) -> float:
    """Of all that were answered, from when they were sent."""
    return of_any([(one.finished_s - one.started_s) * 1000 for load in loads for one in load.good], 99)


def lost(loads: Sequence[Load]) -> Counter[str]:
    """What was neither answered nor refused as it should be."""
    errors = sum((load.errors for load in loads), Counter({"never": sum(load.late - load.unsent for load in loads)}))
    return Counter({error: count for error, count in errors.items() if error != REFUSED and count})


def judged(rounds: Sequence[Round], table: Table, *, with_times: bool) -> list[str]:
    """Fill the table; the bounds that do not hold."""
    calm = [one[place] for one in rounds for place in range(0, 2 * len(FACTORS), 2)]
    calm_ms, faults = p99_ms(calm), [f"lost in calm: {dict(lost(calm))}"] if lost(calm) else []
    table.add_row(f"{CLIENTS} clients", f"{per_s(calm):.0f}", "", f"{calm_ms:.0f}", "", str(lost(calm).total()))
    for number, factor in enumerate(FACTORS):
        place = 2 * number + 1
        loads, (least, most) = [one[place] for one in rounds], interval(rounds, place)
        found, late_ms, refused = share(rounds, place), p99_ms(loads), sum(load.errors[REFUSED] for load in loads)
        cells = f"{per_s(loads):.0f}", f"{found:.2f} [{least:.2f}, {most:.2f}]", f"{late_ms:.0f}", str(refused)
        table.add_row(f"{factor:g} × as many", *cells, str(lost(loads).total()))
        if lost(loads):
            faults.append(f"lost at {factor:g} ×: {dict(lost(loads))}")
        if with_times and most < LEAST_SHARE[factor]:
            faults.append(f"{found:.0%} of the peak at {factor:g} ×")
        if with_times and late_ms > MAX_QUEUE_MS + 2 * calm_ms:
            faults.append(f"p99 {late_ms:.0f} ms at {factor:g} ×, and {calm_ms:.0f} in calm")
    after, before = per_s([one[-1] for one in rounds]), per_s([one[-3] for one in rounds])
    table.add_row(f"{CLIENTS} clients, the {CALM.window_s:g} s after that", f"{after:.0f}", f"{after / before:.2f}")
    if with_times and after < LEAST_AFTERWARDS * before:
        faults.append(f"{after:.0f} a second afterwards, {before:.0f} before")
    return faults


def main() -> None:
    quick = is_quick()
    tokens, rounds = int(sys.argv[1]) if sys.argv[1:] else TOKENS, 1 if quick else 12
    with on_a_core_each() as move, serving(workers=10, BERT_MAX_QUEUE_MS=str(MAX_QUEUE_MS)) as fleet:
        move()
        asked = requests(fleet, tokens)
        closed_loop(fleet.port, asked, CLIENTS, Pace(0.0, 1.0))
        found = [one_round(fleet, asked) for _ in range(rounds)]
    table = Table("requests", "answered/s", "of the peak", "p99 ms", "told 429", "lost", title=f"{tokens} tokens")
    faults = judged(found, table, with_times=not quick)
    Console(width=110).print(table)
    print("\n".join(faults) or "every bound holds")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
