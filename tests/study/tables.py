"""The study's table, published and here; and every row of it for every configuration."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.report.tables import Grid, number
from tests.study.cells import Cell, Visit
from tests.study.columns import Column
from tests.study.figures import Figures, Spread
from tests.study.pairs import Paired
from tests.study.payloads import KINDS

DATA = {name: Path(__file__).parent / f"{name}.json" for name in ("published", "measured-here")}
OfVisit = Callable[[Visit], float | None]
OfCell = Callable[[Cell], float | None]
IDLE: dict[str, OfVisit] = {
    "%CPU idle": lambda one: one.cpu_percent_idle,
    "RSS MB idle": lambda one: one.rss_mb_idle,
    "PSS MB idle": lambda one: one.pss_mb_idle,
}
COSTS: dict[str, OfCell] = {
    "%CPU load": lambda one: one.cpu_percent_load,
    "RSS MB load": lambda one: one.rss_mb_load,
    "PSS MB load": lambda one: one.pss_mb_load,
}
LOAD: dict[str, OfCell] = {
    "total requests": lambda one: one.total_requests,
    "concurrency": lambda one: one.concurrency,
    "successful": lambda one: one.successful,
    "failed": lambda one: one.failed,
    "total s": lambda one: one.total_s,
    "requests/s": lambda one: one.requests_per_s,
    "average s": lambda one: one.average_s,
    "max s": lambda one: one.max_s,
    "min s": lambda one: one.min_s,
    "standard deviation s": lambda one: one.deviation_s,
    "p50 s": lambda one: one.p50_s,
    "p95 s": lambda one: one.p95_s,
    "p99 s": lambda one: one.p99_s,
}
COUNTS = ("total requests", "concurrency", "successful", "failed")
# The rows' names in the two files of data.
OTHER_NAMES = {"%CPU idle": "cpu % idle", "%CPU load": "cpu % load"}
ROWS = (*IDLE, *COSTS, *LOAD)


def given(name: str) -> dict[str, Any]:
    """Figures that are data: the published ones, or the study's design measured on two cores."""
    found: dict[str, Any] = json.loads(DATA[name].read_text(encoding="utf-8"))
    return found


def study_grids(figures: Figures, columns: list[Column]) -> list[Grid]:
    """The study's table three times: as published, its design on two cores, and ours."""
    published, here = given("published"), given("measured-here")
    names = list(published["columns"])
    ours = {name: next((one for one in columns if one.published == name), None) for name in names}
    rows = [
        [row, *("–" if one is None else _row(figures, one.name, "fixed", row) for one in ours.values())] for row in ROWS
    ]
    return [
        _data_grid("The study's table, as published", published),
        _data_grid(f"The study's design on {here['machine']}: not measured in this run", here),
        Grid("The study's table, by serve-bert in this run", ("", *names), rows),
    ]


def _data_grid(title: str, data: dict[str, Any]) -> Grid:
    rows = [
        [row, *(number(one.get(OTHER_NAMES.get(row, row))) for one in data["columns"].values())]
        for row in ROWS
        if any(OTHER_NAMES.get(row, row) in one for one in data["columns"].values())
    ]
    return Grid(title, ("", *data["columns"]), rows)


def summary_grid(figures: Figures, columns: list[Column]) -> Grid:
    """What most readers want: requests/s and p95 of each configuration, and its memory."""
    rows = []
    for one in columns:
        if one.name in figures:
            shown = []
            for kind in KINDS:
                p95 = figures.of_cells(one.name, kind, lambda cell: cell.p95_s)
                shown += [_shown(figures.rate(one.name, kind)), "–" if p95 is None else number(1e3 * p95.median)]
            rows.append([one.name, *shown, _shown(figures.pss_mb(one.name))])
    names = [name for kind in KINDS for name in (f"{kind}, requests/s", "p95 ms")]
    return Grid("All configurations", ("configuration", *names, "PSS MB"), rows)


def paired_grids(paired: Sequence[Paired]) -> list[Grid]:
    """Requests/s of each turn's services beside the first one's."""
    found = []
    for one in paired:
        for kind, rates in one.rates.items():
            base, *others = rates
            rows = [[base, number(statistics.median(rates[base])), "1"]]
            for other in others:
                ratio = Spread.of_turns([a / b for a, b in zip(rates[other], rates[base], strict=True)])
                rows.append([other, number(statistics.median(rates[other])), ratio.ranged if ratio else "–"])
            title = f"Side by side: {one.name}, {KINDS[kind]}"
            found.append(Grid(title, ("configuration", "requests/s", f"beside {base}"), rows))
    return found


def kind_grids(figures: Figures, columns: list[Column]) -> list[Grid]:
    """For each kind of payload, every row of every configuration."""
    found = []
    for kind, says in KINDS.items():
        asked = [one.name for one in columns if figures.cells(one.name, kind)]
        rows = [[name, *(_row(figures, name, kind, row) for row in (*LOAD, *COSTS))] for name in asked]
        title = f"{kind.capitalize()}: {says}"
        found.append(Grid(title, ("configuration", *LOAD, *COSTS), rows, is_printed=False))
    return [grid for grid in found if grid.rows]


def cost_grid(figures: Figures, columns: list[Column]) -> Grid:
    """What a configuration costs beside its loads, and how near its vectors are."""
    rows = []
    for one in columns:
        if visits := figures.visits(one.name):
            least = min(visit.least_cosine for visit in visits)
            engine = " ".join(str(visits[0].info.get(key, "")) for key in ("engine", "precision", "isa")).strip()
            costs = [figures.pss_mb(one.name), figures.rss_mb(one.name)]
            idle = [figures.of_visits(one.name, read) for read in IDLE.values()]
            ready = figures.of_visits(one.name, lambda visit: visit.ready_s)
            shown = [*idle, *costs, ready]
            rows.append([one.name, engine or "torch float32", *map(_shown, shown), f"{least:.6f}"])
    names = ("configuration", "engine", *IDLE, "PSS MB, most", "RSS MB, most", "ready s", "least cosine")
    return Grid("Memory, start, vectors", names, rows, 2)


def start_grid(columns: list[Column]) -> Grid:
    """How each is started by hand."""
    rows = [[one.name, f"`{_command(one)}`"] for one in columns]
    return Grid("How each is started", ("configuration", "command"), rows, 2, is_printed=False)


def _command(column: Column) -> str:
    if not column.is_ours:
        environ = {name: value for name, value in column.peer.environ.items() if name.startswith("OMP_")}
        program, *arguments = column.peer.command(8000)[2:]
        return " ".join([*(f"{name}={value}" for name, value in environ.items()), program, *arguments])
    settings = " ".join(f"{name}={value}" for name, value in column.peer.environ.items())
    program, *arguments = column.peer.command(8000)
    return " ".join([settings, program.rpartition("/")[2], *(f"'{argument}'" for argument in arguments)])


def rise_grid(figures: Figures, columns: list[Column]) -> Grid:
    """Requests/s and p95 by the number of clients."""
    rows = []
    for one in columns:
        visits = [visit for visit in figures.visits(one.name) if visit.steps]
        for place, step in enumerate(visits[0].steps if visits else []):
            rates = Spread.of([visit.steps[place].requests_per_s for visit in visits])
            p95 = Spread.of([visit.steps[place].p95_s for visit in visits])
            rows.append([one.name, str(step.clients), _shown(rates), _shown(p95)])
    return Grid(f"More clients: {KINDS['short']}", ("configuration", "clients", "requests/s", "p95 s"), rows)


def _row(figures: Figures, column: str, kind: str, row: str) -> str:
    if row in IDLE:
        return _shown(figures.of_visits(column, IDLE[row]))
    if row in COUNTS:
        found = figures.of_cells(column, kind, LOAD[row])
        return "–" if found is None else f"{found.median:.0f}"
    return _shown(figures.of_cells(column, kind, COSTS.get(row) or LOAD[row]))


def _shown(found: Spread | None) -> str:
    return "–" if found is None else str(found)
