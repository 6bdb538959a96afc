"""A picture of the dashboard: config/grafana's own queries, asked of a real Prometheus over a fleet under load.

    make dashboard

Four minutes: ten clients with short texts, mixed ones, a hundred clients, three times as many requests as can be
answered; meanwhile a worker is killed, the fleet reloaded, something refused. It is drawn by ours, not by Grafana,
which need not be at hand. QUICK=1: half a minute.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter

from tests.kit.fleet import Fleet, serving
from tests.kit.generator import Pace, closed_loop
from tests.kit.open_loop import open_loop
from tests.kit.places import ROOT, default_model
from tests.kit.process import is_quick
from tests.kit.texts import Writer
from tests.kit.wire import Request, post
from tests.live.prometheus import Prometheus, panels, watching
from tests.report.pictures import COLORS, save

FOLDER, FILE = ROOT / "config" / "grafana", "serve-bert.svg"
# This program has an environment of its own, for matplotlib.
SERVED = [str(ROOT / ".venv" / "bin" / "gunicorn"), "app:create_app()"]
TEXTS, COLUMNS, STEP_S = 100, 3, 1.0
PHASE_S, WINDOW = 60.0, "10s"
QUICK_S = 8.0
# More than so many lines need no names to be told apart.
MOST_NAMED = 10
SCALES = {
    "bytes": (1e6, " MB"),
    "s": (1e-3, " ms"),
    "percentunit": (0.01, " %"),
    "reqps": (1.0, ""),
    "short": (1.0, ""),
}
Series = list[dict[str, Any]]


def requests(fleet: Fleet, texts: list[str]) -> list[Request]:
    """One text each; that they are right is `make bench`'s to say."""
    return [Request(post("/predict", {"text": text}, fleet.port), 1, 0.0, 384, ()) for text in texts]


def load(fleet: Fleet, phase_s: float) -> None:
    """See the module."""
    writer = Writer(default_model().directory)
    short = requests(fleet, [writer.write(22).text for _ in range(TEXTS)])
    mixed = requests(fleet, [text.text for text in writer.write_mix(TEXTS)])
    calm = closed_loop(fleet.port, short, 10, Pace(0.0, phase_s))
    for body in ({"text": ""}, {"texts": "a"}, {"text": "x" * 101}, {"text": "word " * 300}):
        for _ in range(20):
            fleet.ask("/predict", body)
    os.kill(fleet.workers()[0], signal.SIGKILL)
    closed_loop(fleet.port, mixed, 10, Pace(0.0, phase_s))
    os.kill(fleet.master_pid, signal.SIGHUP)
    closed_loop(fleet.port, short, 100, Pace(0.0, phase_s))
    open_loop(fleet.port, short, 3 * calm.answered / calm.window_s, Pace(0.0, phase_s))


def draw(prometheus: Prometheus, begin_s: float, end_s: float) -> None:
    """Every panel, as it lies in the dashboard; a stat as its last value."""
    shown = list(panels(WINDOW))
    stats = [panel for panel in shown if panel["type"] == "stat"]
    plots = [panel for panel in shown if panel["type"] == "timeseries"]
    rows = -(-len(plots) // COLUMNS)
    picture = plt.figure(figsize=(15, 1.0 + 2.9 * rows))
    heights = [0.35] + [1.0] * rows
    grid = picture.add_gridspec(rows + 1, COLUMNS * len(stats), height_ratios=heights, hspace=0.45, wspace=2.6)
    picture.subplots_adjust(left=0.05, right=0.99, top=0.97, bottom=0.03)
    for place, panel in enumerate(stats):
        _stat(picture.add_subplot(grid[0, COLUMNS * place : COLUMNS * (place + 1)]), panel, prometheus, end_s)
    for place, panel in enumerate(plots):
        row, column = divmod(place, COLUMNS)
        axes = picture.add_subplot(grid[1 + row, len(stats) * column : len(stats) * (column + 1)])
        _plot(axes, panel, prometheus, (begin_s, end_s))
    save(picture, FOLDER, FILE)


def _stat(axes: Any, panel: dict[str, Any], prometheus: Prometheus, end_s: float) -> None:
    scale, sign = _scale(panel)
    found = [prometheus.over(each["expr"], end_s - 5, end_s, STEP_S) for each in panel["targets"]]
    values = [float(one[0]["values"][-1][1]) / scale for one in found if one]
    axes.axis("off")
    axes.text(0, 0.25, " of ".join(f"{_shown(value)}{sign}" for value in values), fontsize=20)
    axes.set_title(panel["title"], loc="left", fontsize=9)


def _plot(axes: Any, panel: dict[str, Any], prometheus: Prometheus, times_s: tuple[float, float]) -> None:
    scale, sign = _scale(panel)
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for target in panel["targets"]:
        for one in prometheus.over(target["expr"], *times_s, STEP_S):
            points = [(float(when), float(value) / scale) for when, value in one["values"]]
            lines[_named(target["legendFormat"], one["metric"])] = (
                [when - times_s[0] for when, _ in points],
                [value for _, value in points],
            )
    is_stacked = "stacking" in panel["fieldConfig"]["defaults"]["custom"]
    _draw_lines(axes, lines, is_stacked=is_stacked, until_s=times_s[1] - times_s[0])
    axes.set_title(panel["title"], loc="left", fontsize=10)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}{sign}"))
    axes.tick_params(labelsize=8)
    axes.grid(visible=True, alpha=0.3)
    axes.set(xlim=(0, times_s[1] - times_s[0]), ylim=(0, None))
    if len(lines) <= MOST_NAMED:
        axes.legend(fontsize=6, loc="upper left", ncols=2)


def _draw_lines(
    axes: Any, lines: dict[str, tuple[list[float], list[float]]], *, is_stacked: bool, until_s: float
) -> None:
    base = [0.0] * (int(until_s / STEP_S) + 2)
    for number, (name, (times, values)) in enumerate(lines.items()):
        color = COLORS[number % len(COLORS)]
        if not is_stacked:
            axes.plot(times, values, color=color, label=name, linewidth=1.2)
            continue
        places = [round(when / STEP_S) for when in times]
        lower = [base[place] for place in places]
        upper = [below + value for below, value in zip(lower, values, strict=True)]
        axes.fill_between(times, lower, upper, color=color, label=name, alpha=0.7, linewidth=0)
        for place, top in zip(places, upper, strict=True):
            base[place] = top


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _scale(panel: dict[str, Any]) -> tuple[float, str]:
    return SCALES[panel["fieldConfig"]["defaults"]["unit"]]


def _named(legend: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        legend = legend.replace(f"{{{{{name}}}}}", value)
    return legend


@contextmanager
def watched_fleet() -> Iterator[tuple[Fleet, Prometheus]]:
    """Ten workers, and a Prometheus that scrapes them once a second."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(workers=10, command=SERVED, BERT_MAX_QUEUE_MS="300") as fleet,
        watching(fleet, Path(folder)) as prometheus,
    ):
        yield fleet, prometheus


def main() -> None:
    phase_s = QUICK_S if is_quick() else PHASE_S
    with watched_fleet() as (fleet, prometheus):
        begin_s = time.time()
        load(fleet, phase_s)
        time.sleep(2 * STEP_S)
        draw(prometheus, begin_s, time.time())
    sys.stdout.write(f"{FOLDER / FILE}\n")


if __name__ == "__main__":
    main()
