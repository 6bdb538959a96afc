"""`serve-bert plan` beside what it forecasts: requests/s with every core at work, and p99 at two fifths of that.

    make bench-plan

For each of three loads measurement and forecast take turns: six and five. The measurement is a fleet with a worker a
core, under ten clients in a closed loop, then under requests that come at random at a fixed rate; it idles while the
forecast is made. The generator runs on the same cores, so what is said of a core is multiplied with those that it
leaves. In brackets what 95 of 100 draws of the turns give. Exit 1 if requests/s are further off than a quarter by the
medians, or p99, of all requests together, by more than a factor of two, and all of the interval is. QUICK=1: one turn
of one load, which judges nothing.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from app.fleet import cores
from tests.bench.overload import p99_ms, requests
from tests.kit.fleet import Fleet, serving
from tests.kit.generator import Load, Pace, closed_loop
from tests.kit.open_loop import at_random, open_loop
from tests.kit.places import ROOT
from tests.kit.process import is_quick
from tests.kit.service import environment
from tests.kit.wire import Request

TOKENS = (22, 100, 242)
TURNS = 5
CLIENTS = 10
LOADED = 0.4
CLOSED, OPEN = Pace(0.5, 4.0), Pace(0.5, 7.0)
MOST_OFF, MOST_TIMES = 0.25, 2.0
DRAWS = 400


@dataclass
class Turns:
    """What was said and what was so, of one length."""

    tokens: int
    rate_per_s: float
    said_a_core: list[float] = field(default_factory=list)
    said_p99_ms: list[float] = field(default_factory=list)
    closed: list[Load] = field(default_factory=list)
    opened: list[Load] = field(default_factory=list)

    @property
    def said_per_s(self) -> list[float]:
        """Of the cores that the generator left."""
        took = sum(load.generator_cpu_s for load in self.closed) / sum(load.window_s for load in self.closed)
        return [each * (cores.usable() - took) for each in self.said_a_core]

    @property
    def measured_per_s(self) -> list[float]:
        return [load.answered / load.window_s for load in self.closed]

    def take(self, turns: int) -> None:
        """As many forecasts, and a measurement before and after each."""
        with serving(workers=cores.usable()) as fleet:
            asked = requests(fleet, self.tokens)
            self._measure(fleet, asked)
            for _ in range(turns):
                found = planned(self.tokens, self.rate_per_s)
                self.said_a_core.append(found["measured"]["requests_per_s"])
                self.said_p99_ms.append(found["forecast"]["p99_ms"])
                self._measure(fleet, asked)

    def _measure(self, fleet: Fleet, asked: list[Request]) -> None:
        self.closed.append(closed_loop(fleet.port, asked, CLIENTS, CLOSED))
        self.opened.append(open_loop(fleet.port, asked, self.rate_per_s, OPEN, come=at_random))


def planned(tokens: int, rate_per_s: float) -> dict[str, Any]:
    """What the command prints."""
    command = [sys.executable, "-m", "app", "plan", f"--rate={rate_per_s}", f"--tokens={tokens}", "--json"]
    ran = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    if ran.returncode:
        sys.exit(ran.stderr)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def interval(turns: Turns) -> tuple[float, float]:
    """Of p99 said by p99 measured."""
    chance, drawn = random.Random(turns.tokens), []
    for _ in range(DRAWS):
        said = chance.choices(turns.said_p99_ms, k=len(turns.said_p99_ms))
        opened = chance.choices(turns.opened, k=len(turns.opened))
        drawn.append(statistics.median(said) / p99_ms(opened))
    drawn.sort()
    return drawn[int(0.025 * DRAWS)], drawn[int(0.975 * DRAWS)]


def judged(turns: Turns, table: Table) -> list[str]:
    """Fill the table; the bounds that do not hold."""
    said, was = statistics.median(turns.said_per_s), statistics.median(turns.measured_per_s)
    rates = " ".join(f"{one:.0f}" for one in turns.said_per_s), " ".join(f"{one:.0f}" for one in turns.measured_per_s)
    table.add_row(f"{turns.tokens}: requests/s", f"{said:.0f}", f"{was:.0f}", f"{said / was - 1:+.0%}", *rates)
    said_ms, was_ms, (least, most) = statistics.median(turns.said_p99_ms), p99_ms(turns.opened), interval(turns)
    each = " ".join(f"{ms:.0f}" for ms in turns.said_p99_ms), " ".join(f"{p99_ms([one]):.0f}" for one in turns.opened)
    off = f"× {said_ms / was_ms:.2f} [{least:.2f}, {most:.2f}]"
    table.add_row(
        f"{turns.tokens}, at {turns.rate_per_s:.0f}/s: p99, ms", f"{said_ms:.1f}", f"{was_ms:.1f}", off, *each
    )
    faults = []
    if abs(said / was - 1) > MOST_OFF:
        faults.append(f"{turns.tokens} tokens: {said:.0f} requests/s were said, and {was:.0f} measured")
    if least > MOST_TIMES or most < 1 / MOST_TIMES:
        faults.append(f"{turns.tokens} tokens: p99 of {said_ms:.1f} ms was said, and {was_ms:.1f} measured")
    return faults


def main() -> None:
    quick = is_quick()
    wanted = TOKENS[:1] if quick else TOKENS
    loads = [
        Turns(one, round(LOADED * cores.usable() * planned(one, 1)["measured"]["requests_per_s"])) for one in wanted
    ]
    for load in loads:
        load.take(1 if quick else TURNS)
    title = f"said by serve-bert plan, and measured; a worker on each of {cores.usable()} cores"
    table = Table("tokens", "said", "measured", "off", "each said", "each measured", title=title)
    faults = [fault for load in loads for fault in judged(load, table)]
    Console(width=140).print(table)
    print("\n".join(faults) or "every bound holds")
    sys.exit(bool(faults) and not quick)


if __name__ == "__main__":
    main()
