"""The tables, and the report in Markdown: ready to stand in a README."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tests.bench.figures import Figures, Visit
from tests.bench.texts import BATCH_TEXTS, LONG_TOKENS, SHORT_TOKENS

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


@dataclass(frozen=True)
class Grid:
    """A table of strings; the first `left` columns are words, the others numbers."""

    title: str
    columns: Sequence[str]
    rows: list[list[str]]
    left: int = 1


class Setting(Protocol):
    """What a run says of itself."""

    @property
    def began(self) -> str: ...
    @property
    def took_s(self) -> float: ...
    @property
    def machine(self) -> dict[str, Any]: ...
    @property
    def software(self) -> dict[str, Any]: ...
    @property
    def peaks_gflops(self) -> dict[str, float | None]: ...


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


def markdown(found: Outcome, grids: Sequence[Grid], pictures: Sequence[str]) -> str:
    """The whole report."""
    parts = ["# serve-bert and its peers", setting(found), *(in_markdown(grid) for grid in grids)]
    if found.left_out:
        parts.append("Left out:\n\n" + "\n".join(f"- {name}: {why}" for name, why in found.left_out.items()))
    parts += [f"![{picture.rpartition('.')[0]}]({picture})" for picture in pictures]
    windows_s = [case.pace.window_s for case in found.plan.cases]
    parts.append(NOTES.format(rounds=found.plan.rounds, least_s=min(windows_s), most_s=max(windows_s)))
    return "\n\n".join(parts) + "\n"


def setting(found: Setting) -> str:
    """A table of machine, software and time."""
    machine, software = found.machine, found.software
    peaks = [f"{value:.0f} GFLOP/s {name}" for name, value in found.peaks_gflops.items() if value]
    model = f"{software['model']}, sha256 {software['model_sha256'][:12]}…"
    facts = {
        "machine": f"{machine['processor']} (family {machine['cpu family']}, model {machine['model']})",
        "cores, memory": f"{machine['cores']}, {machine['memory_gib']} GiB",
        "instruction sets": ", ".join(machine["instruction_sets"]) or "none known",
        "one core's peak": ", ".join(peaks) or "not measured",
        "commit": software["commit"] + (", and changes beside it" if software["changes_beside_the_commit"] else ""),
        "model": model,
        "software": ", ".join(f"{name} {version}" for name, version in software["versions"].items()),
        "began, took": f"{found.began}, {found.took_s / 60:.1f} minutes",
        "load average before": f"{machine['load_average_before']:.1f}",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {fact} |" for name, fact in facts.items())])


def in_markdown(grid: Grid) -> str:
    """A table with its title."""
    rules = ["---"] * grid.left + ["---:"] * (len(grid.columns) - grid.left)
    lines = [grid.columns, rules, *grid.rows]
    return f"## {grid.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


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


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def number(value: float | None) -> str:
    """Three digits are enough of a figure that drifts."""
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
