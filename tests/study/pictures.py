"""The plots: requests/s, latencies, memory and CPU of each configuration, the study's five columns, more clients."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, StrMethodFormatter

from tests.bench.figures import QUANTILES
from tests.kit.texts import LONG_TOKENS, SHORT_TOKENS
from tests.report.pages import Picture
from tests.report.pictures import COLORS, save, tick
from tests.report.tables import number
from tests.study.columns import Column, Group
from tests.study.figures import Figures, Spread
from tests.study.tables import given

GROUP_COLORS: dict[Group, str] = {"study": COLORS[4], "ours": COLORS[0], "torch": COLORS[1]}
ROW_HEIGHT = 0.34
SHOWN_KINDS = {"short": f"{SHORT_TOKENS} tokens", "long": f"{LONG_TOKENS} tokens", "mixed": "mixed lengths"}


def draw(figures: Figures, columns: list[Column], folder: Path) -> list[Picture]:
    """Write each picture that there are figures for."""
    seen = [one for one in columns if one.name in figures]
    whole = [one for one in seen if set(SHOWN_KINDS) <= set(one.kinds)]
    found = [
        _five(figures, columns, folder),
        _rates(figures, whole, folder),
        _latencies(figures, whole, folder),
        _costs(figures, seen, folder),
        _rise(figures, seen, folder),
    ]
    return [one for one in found if one]


def _five(figures: Figures, columns: list[Column], folder: Path) -> Picture:
    """Logarithmic: the machines differ by more than the columns do."""
    published, here = given("published")["columns"], given("measured-here")["columns"]
    names = list(published)
    ours = {one.published: figures.rate(one.name, "fixed") for one in columns if one.published}
    rates = {
        "published": [published[name]["requests/s"] for name in names],
        "its design on two cores of a Xeon": [here[name]["requests/s"] for name in names],
        "serve-bert, this run": [found.median if (found := ours.get(name)) else 0 for name in names],
    }
    picture, axes = plt.subplots(figsize=(10, 4.6))
    for place, (label, values) in enumerate(rates.items()):
        at = [index + (place - 1) * 0.27 for index in range(len(names))]
        drawn = axes.bar(at, values, 0.25, label=label, color=COLORS[(7, 1, 0)[place]])
        axes.bar_label(drawn, fmt=lambda value: f"{value:.3g}" if value else "", fontsize=8)
    axes.set_xticks(range(len(names)), [name.replace(", ", ",\n", 1) for name in names], fontsize=9)
    axes.set(ylabel="requests/s, one fixed text", yscale="log")
    axes.margins(y=0.15)
    tick(axes)
    axes.legend(fontsize=8, loc="upper center", ncols=3, bbox_to_anchor=(0.5, 1.12))
    picture.tight_layout()
    return Picture(save(picture, folder, "five-columns.svg"), "The study's five columns: published, on two cores, ours")


def _rows(names: Sequence[str], panels: int, width: float) -> tuple[Any, Any]:
    """Panels side by side whose rows are the configurations, the first on top."""
    picture, row = plt.subplots(
        1, panels, figsize=(width, 1.2 + ROW_HEIGHT * len(names)), squeeze=False, sharey=True, layout="constrained"
    )
    row[0][0].set_yticks(range(len(names)), names, fontsize=9)
    row[0][0].invert_yaxis()
    for axes in row[0]:
        axes.grid(visible=True, axis="x", alpha=0.3)
    return picture, row[0]


def _bars(axes: Any, columns: Sequence[Column], found: Sequence[Spread | None], says: str) -> None:
    """With a whisker from the least round to the most, and the median's number."""
    values = [one.median if one else 0.0 for one in found]
    below = [one.median - one.least if one else 0.0 for one in found]
    above = [one.most - one.median if one else 0.0 for one in found]
    colors = [GROUP_COLORS[one.group] for one in columns]
    axes.barh(range(len(columns)), values, color=colors, xerr=[below, above], error_kw={"lw": 1, "alpha": 0.7})
    for place, (value, more) in enumerate(zip(values, above, strict=True)):
        if value:
            axes.annotate(
                number(value), (value + more, place), (4, 0), textcoords="offset points", va="center", fontsize=8
            )
    axes.set_xlim(0, 1.28 * max([*map(sum, zip(values, above, strict=True)), 1]))
    axes.set_xlabel(says, fontsize=9)


def _rates(figures: Figures, columns: list[Column], folder: Path) -> Picture | None:
    if not columns:
        return None
    picture, row = _rows([one.name for one in columns], len(SHOWN_KINDS), 12)
    for axes, (kind, says) in zip(row, SHOWN_KINDS.items(), strict=True):
        _bars(axes, columns, [figures.rate(one.name, kind) for one in columns], f"requests/s, {says}")
    return Picture(save(picture, folder, "throughput.svg"), "Requests per second of each configuration")


def _latencies(figures: Figures, columns: list[Column], folder: Path) -> Picture | None:
    """From the fastest request to p99 a line, from p25 to p75 a bar, the median a dot: medians of the rounds."""
    if not columns:
        return None
    picture, row = _rows([one.name for one in columns], len(SHOWN_KINDS), 12)
    for axes, (kind, says) in zip(row, SHOWN_KINDS.items(), strict=True):
        for place, one in enumerate(columns):
            at = _quantile(figures, one.name, kind)
            if at is None:
                continue
            color = GROUP_COLORS[one.group]
            axes.plot([at(0), at(99)], [place, place], color=color, lw=1)
            axes.plot([at(25), at(75)], [place, place], color=color, lw=6, solid_capstyle="butt")
            axes.plot([at(50)], [place], "o", color="black", ms=3)
            axes.plot([at(99)], [place], "|", color=color, ms=8)
        axes.set_xscale("log")
        axes.set_xlabel(f"ms, {says}", fontsize=9)
        axes.xaxis.set_tick_params(labelsize=8)
        tick(axes)
        axes.set_yticks(range(len(columns)), [one.name for one in columns], fontsize=9)
    return Picture(save(picture, folder, "latency.svg"), "Latency: least, quartiles, median, p99")


def _quantile(figures: Figures, column: str, kind: str) -> Callable[[int], float] | None:
    """In ms, the median of the rounds'."""
    curves = [one.quantiles_s for one in figures.cells(column, kind) if one.quantiles_s]
    if not curves:
        return None
    return lambda percent: 1e3 * statistics.median(curve[QUANTILES.index(percent)] for curve in curves)


def _costs(figures: Figures, columns: list[Column], folder: Path) -> Picture | None:
    if not columns:
        return None
    picture, row = _rows([one.name for one in columns], 3, 12)
    _bars(row[0], columns, [figures.pss_mb(one.name) for one in columns], "PSS of all processes after the load, MB")
    _bars(row[1], columns, [figures.rss_mb(one.name) for one in columns], "RSS, as ps adds it up, MB")
    cpu = [figures.of_cells(one.name, "fixed", lambda cell: cell.cpu_percent_load) for one in columns]
    _bars(row[2], columns, cpu, "%CPU under load (fixed text)")
    return Picture(save(picture, folder, "costs.svg"), "Memory and CPU of each configuration")


def _rise(figures: Figures, columns: list[Column], folder: Path) -> Picture | None:
    risen = {one.name: steps for one in columns if (steps := figures.rise(one.name))}
    if not risen:
        return None
    picture, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    for (name, steps), color in zip(risen.items(), COLORS, strict=False):
        clients, rates, p95_s = zip(*steps, strict=True)
        left.plot(clients, rates, "o-", color=color, label=name)
        right.plot(clients, [1e3 * one for one in p95_s], "o-", color=color, label=name)
    for axes, says, scale in ((left, f"requests/s, {SHORT_TOKENS} tokens", "linear"), (right, "p95, ms", "log")):
        axes.set(xlabel="clients", ylabel=says, xscale="log", yscale=scale)
        axes.grid(visible=True, alpha=0.3)
        axes.set_xticks(clients, [str(count) for count in clients])
        axes.minorticks_off()
        if scale == "log":
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.legend(fontsize=8)
    left.set_ylim(bottom=0)
    return Picture(save(picture, folder, "clients.svg"), "Throughput and p95 by the number of clients")
