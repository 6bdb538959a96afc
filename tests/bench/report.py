"""What the report says: tables ready to stand in a README, pictures, notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.bench.figures import Figures, Visit
from tests.kit.texts import BATCH_TEXTS, LONG_TOKENS, SHORT_TOKENS
from tests.report.pages import Part, Picture
from tests.report.setting import left_out, setting
from tests.report.tables import Grid, number, percent

if TYPE_CHECKING:
    from tests.bench.outcome import Outcome

LENGTHS = {
    "short": f"Short: one text of {SHORT_TOKENS} tokens a request",
    "long": f"Long: one text of {LONG_TOKENS} tokens a request",
    "mixed": "Mixed: one text a request, 70 % of 10 to 30 tokens, 25 % of 50 to 150, 5 % of 200 to 256",
    "batch": f"Batch: {BATCH_TEXTS} texts of {SHORT_TOKENS} tokens a request",
}
LATENCY = ("p50 ms", "p95 ms", "p99 ms")
CLOSED = (
    "service",
    "clients",
    "req/s",
    "texts/s",
    *LATENCY,
    "errors",
    "cores",
    "CPU-ms/req",
    "of peak",
    "gen.",
    "others",
)
OPEN = ("service", "offered/s", "answered/s", "p50 ms", "p99 ms", "late", "errors", "sent late ms", "gen.")
COSTS = ("service", "ready s", "at rest s", "PSS MB", "knee req/s")
NOTES = """\
Each figure is the median of {rounds} round(s); errors are added up. A round starts each service in turn, warms it up \
and measures windows of {least_s:g} to {most_s:g} s; cases with 1000 clients are in the first round alone.

- clients: a closed loop, each asks again when it has its answer. A latency counts from before the connection is opened.
- errors: answers other than 200, broken connections, time-outs after 30 s, and answers without the embedding; the \
dimension of every vector and its first numbers are held against sentence-transformers.
- cores, CPU-ms/req: CPU time of all of a service's processes, by the window and by the requests answered.
- of peak: floating-point operations that became answers, by what all cores multiply at best in the service's precision.
- gen.: the part of one core that the generator took; it is one thread. others: cores taken by neither it nor the \
service, which should be 0.
- open loop: requests are due at fixed times, and a latency counts from when its request was due. late: due, and \
unanswered 2 s after the window. sent late: the generator's own 99th percentile.
- knee: the highest rate at which 95 % of what is due is answered and p99 is 500 ms or less.
- at rest: when all workers have loaded. PSS: of all processes, after the load."""


def tables(figures: Sequence[Figures], visits: Sequence[Visit]) -> list[Grid]:
    """A table for each kind of request, one of the open loop, one of what a service costs."""
    found = []
    for lengths, title in LENGTHS.items():
        rows = [one for one in figures if one.lengths == lengths and one.mode != "open"]
        rows.sort(key=lambda one: (one.mode != "closed", one.load))
        found.append(Grid(title, CLOSED, [_loaded(one) for one in rows], 2))
    offered = [_offered(one) for one in figures if one.mode == "open"]
    found.append(Grid(f"Open loop: one text of {SHORT_TOKENS} tokens a request", OPEN, offered))
    found.append(Grid("Start, memory, knee", COSTS, [_cost(one) for one in visits]))
    return [grid for grid in found if grid.rows]


def parts(found: Outcome, pictures: Sequence[str]) -> list[Part]:
    """The whole report."""
    windows_s = [case.pace.window_s for case in found.plan.cases]
    notes = NOTES.format(rounds=found.plan.rounds, least_s=min(windows_s), most_s=max(windows_s))
    grids = tables(found.figures, found.visits)
    return [
        "# serve-bert and its peers",
        setting(found),
        *grids,
        left_out(found.left_out),
        *map(Picture, pictures),
        notes,
    ]


def _loaded(one: Figures) -> list[str]:
    clients = f"{one.load:.0f}" if one.mode == "closed" else "in process"
    rates = [one.requests_per_s, one.texts_per_s, one.p50_ms, one.p95_ms, one.p99_ms]
    costs = [f"{one.service_cores:.2f}", number(one.cpu_ms_a_request), percent(one.share_of_peak)]
    generator = "–" if one.mode == "in process" else percent(one.generator_share)
    others = "–" if one.other_cores is None else f"{one.other_cores:.2f}"
    return [one.service, clients, *map(number, rates), _errors(one), *costs, generator, others]


def _offered(one: Figures) -> list[str]:
    numbers = map(number, [one.load, one.requests_per_s, one.p50_ms, one.p99_ms])
    own = [number(one.generator_lag_ms), percent(one.generator_share)]
    return [one.service, *numbers, str(one.late), _errors(one), *own]


def _cost(one: Visit) -> list[str]:
    knee = number(one.knee_per_s)
    bound = "" if one.gave_way or one.knee_per_s is None else "≥ "
    return [one.service, *map(number, [one.ready_s, one.idle_s, one.pss_mb]), bound + knee]


def _errors(one: Figures) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(one.errors.items())) or "0"
