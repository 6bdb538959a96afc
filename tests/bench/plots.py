"""The pictures: throughput by clients, latency curves, the open loop, memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from tests.bench.figures import QUANTILES, Figures, Visit
from tests.report.pictures import COLORS, bars, panels, save

KINDS = ("short", "mixed", "long")
CURVE_CLIENTS = 10


def draw(figures: Sequence[Figures], visits: Sequence[Visit], folder: Path) -> list[str]:
    """Write each picture that there are figures for; their names."""
    color = dict(zip([visit.service for visit in visits], COLORS * 2, strict=False))
    closed = [one for one in figures if one.mode == "closed"]
    rising = [one for one in figures if one.mode == "open"]
    written = [
        panels(_kinds(closed), lambda axes, kind: _throughput(axes, figures, kind, color), folder, "throughput.svg"),
        panels(_kinds(closed), lambda axes, kind: _latency(axes, closed, kind, color), folder, "latency.svg"),
        panels(_kinds(rising), lambda axes, kind: _open_loop(axes, rising, kind, color), folder, "open-loop.svg"),
        _memory(folder, "memory.svg", visits, color),
    ]
    return [name for name in written if name]


def _kinds(figures: Sequence[Figures]) -> list[str]:
    return [kind for kind in KINDS if any(one.lengths == kind for one in figures)]


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
    known = {visit.service: visit.pss_mb for visit in visits if visit.pss_mb}
    if not known:
        return None
    picture, axes = plt.subplots(figsize=(7, 0.6 + 0.45 * len(known)))
    bars(axes, known, color.__getitem__, "PSS of all processes after the load, MB")
    picture.tight_layout()
    return save(picture, folder, name)


def _by_service(figures: Sequence[Figures]) -> dict[str, list[Figures]]:
    found: dict[str, list[Figures]] = {}
    for one in sorted(figures, key=lambda one: one.load):
        found.setdefault(one.service, []).append(one)
    return found
