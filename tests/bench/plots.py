"""The pictures: throughput by clients, latency curves, the open loop, memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from tests.bench.figures import QUANTILES, Figures, Visit

# Told apart without red and green: Okabe and Ito's.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
KINDS = ("short", "mixed", "long")
CURVE_CLIENTS = 10
Draw = Callable[[Any, str], None]


def draw(figures: Sequence[Figures], visits: Sequence[Visit], folder: Path) -> list[str]:
    """Write each picture that there are figures for; their names."""
    color = dict(zip([visit.service for visit in visits], COLORS * 2, strict=False))
    closed = [one for one in figures if one.mode == "closed"]
    rising = [one for one in figures if one.mode == "open"]
    written = [
        _panels(folder, "throughput.png", closed, lambda axes, kind: _throughput(axes, figures, kind, color)),
        _panels(folder, "latency.png", closed, lambda axes, kind: _latency(axes, closed, kind, color)),
        _panels(folder, "open-loop.png", rising, lambda axes, kind: _open_loop(axes, rising, kind, color)),
        _memory(folder, "memory.png", visits, color),
    ]
    return [name for name in written if name]


def _panels(folder: Path, name: str, figures: Sequence[Figures], panel: Draw) -> str | None:
    """A picture with a panel for each kind of request."""
    kinds = [kind for kind in KINDS if any(one.lengths == kind for one in figures)]
    if not kinds:
        return None
    picture, panels = plt.subplots(1, len(kinds), figsize=(1 + 4.5 * len(kinds), 4.2), squeeze=False)
    for axes, kind in zip(panels[0], kinds, strict=True):
        panel(axes, kind)
        axes.grid(visible=True, alpha=0.3)
        tick(axes)
    _legend(picture, panels[0], columns=3 if len(kinds) > 1 else 2)
    return save(picture, folder, name)


def tick(axes: Any) -> None:
    """Numbers as people write them, where matplotlib would write powers of ten."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_formatter(NullFormatter())


def _legend(picture: Any, panels: Sequence[Any], columns: int) -> None:
    """One for all panels, over them."""
    pairs = [pair for axes in panels for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    handles = {label: handle for handle, label in pairs}
    picture.legend(handles.values(), handles.keys(), loc="upper center", ncols=columns, fontsize=8)
    picture.tight_layout(rect=(0, 0, 1, 0.98 - 0.05 * -(-len(handles) // columns)))


def _throughput(axes: Any, figures: Sequence[Figures], kind: str, color: dict[str, str]) -> None:
    for service, mine in _by_service([one for one in figures if one.lengths == kind and one.mode != "open"]).items():
        if mine[0].mode == "in process":
            axes.axhline(mine[0].texts_per_s, color=color[service], label=service, linestyle="--")
        else:
            axes.plot(
                [one.load for one in mine], [one.texts_per_s for one in mine], "o-", color=color[service], label=service
            )
    axes.set(title=kind, xlabel="clients", ylabel="texts/s", xscale="log", ylim=(0, None))


def _latency(axes: Any, closed: Sequence[Figures], kind: str, color: dict[str, str]) -> None:
    for service, mine in _by_service([one for one in closed if one.lengths == kind]).items():
        for one in mine:
            if one.load == CURVE_CLIENTS and one.quantiles_ms:
                axes.plot(one.quantiles_ms, QUANTILES, color=color[service], label=service)
    axes.set(
        title=f"{kind}, {CURVE_CLIENTS} clients",
        xlabel="latency, ms",
        ylabel="% of requests",
        xscale="log",
        ylim=(0, 100),
    )


def _open_loop(axes: Any, rising: Sequence[Figures], kind: str, color: dict[str, str]) -> None:
    for service, mine in _by_service([one for one in rising if one.lengths == kind]).items():
        points = [(one.load, one.p99_ms) for one in mine if one.p99_ms]
        axes.plot(*zip(*points, strict=True), "o-", color=color[service], label=service)
    axes.set(title=f"{kind}, open loop", xlabel="requests/s offered", ylabel="p99, ms", yscale="log")


def _memory(folder: Path, name: str, visits: Sequence[Visit], color: dict[str, str]) -> str | None:
    known = [visit for visit in visits if visit.pss_mb]
    if not known:
        return None
    picture, axes = plt.subplots(figsize=(7, 0.6 + 0.45 * len(known)))
    labels = [visit.service for visit in known]
    bars = axes.barh(labels, [visit.pss_mb for visit in known], color=[color[label] for label in labels])
    axes.bar_label(bars, fmt="%.0f", padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set(xlabel="PSS of all processes after the load, MB")
    picture.tight_layout()
    return save(picture, folder, name)


def _by_service(figures: Sequence[Figures]) -> dict[str, list[Figures]]:
    found: dict[str, list[Figures]] = {}
    for one in sorted(figures, key=lambda one: one.load):
        found.setdefault(one.service, []).append(one)
    return found


def save(picture: Any, folder: Path, name: str) -> str:
    picture.savefig(folder / name, dpi=110)
    plt.close(picture)
    return name
