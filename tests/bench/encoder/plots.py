"""The pictures: time against tokens, time against fidelity, and where the native engine's time goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib import pyplot as plt

from app.encoder.native.library import STAGES
from tests.bench.encoder.figures import Timing
from tests.report.pictures import COLORS, save, tick

if TYPE_CHECKING:
    from tests.bench.encoder.outcome import Outcome

SHOWN = "22"
LINES = {"float32": "o-", "bfloat16": "s--", "int8": "^:"}


def draw(found: Outcome, folder: Path) -> list[str]:
    """Write each picture that there are figures for; their names."""
    written = [_times(found, folder), _fidelity(found, folder), _stages(found.timings, folder)]
    return [name for name in written if name]


def _times(found: Outcome, folder: Path) -> str:
    """Texts alone, of engines that ran more than one length; a dotted line where the core's peak would be."""
    picture, axes = plt.subplots(figsize=(11, 6))
    alone = {workload: int(workload) for workload in found.flop if workload.isdigit()}
    timed = [one for one in found.timings if one.workload in alone]
    counts = Counter(one.label for one in timed)
    timed = [one for one in timed if counts[one.label] > 1]
    engines = dict.fromkeys(one.engine for one in timed)
    color = dict(zip(engines, cycle(plt.get_cmap("tab10").colors), strict=False))
    for label in dict.fromkeys(one.label for one in timed):
        mine = [one for one in timed if one.label == label]
        points = sorted((alone[one.workload], one.ms) for one in mine)
        axes.plot(*zip(*points, strict=True), LINES[mine[0].precision], color=color[mine[0].engine], label=label)
    for precision, gflops in found.peaks_gflops.items():
        if gflops:
            bound = [found.flop[workload] / gflops / 1e6 for workload in alone]
            axes.plot(list(alone.values()), bound, ":", color="grey", label=f"this core's {precision} peak")
    axes.set(xlabel="tokens of one text", ylabel="ms", xscale="log", yscale="log")
    tick(axes)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    picture.tight_layout()
    return save(picture, folder, "times.svg")


def _fidelity(found: Outcome, folder: Path) -> str | None:
    """What is lost of a vector, in the mean and at worst, against what a short text takes; float32 loses nothing."""
    ms = {one.label: one.ms for one in found.timings if one.workload == SHOWN}
    points = {}
    for one in found.fidelity:
        label = next((label for label in (f"native {one.path}", one.path) if f"{label} {one.precision}" in ms), None)
        if label and one.neighbour_overlap is not None and one.precision != "float32":
            points[f"{label} {one.precision}"] = (1 - one.mean_cosine, 1 - one.least_cosine)
    if not points:
        return None
    picture, axes = plt.subplots(figsize=(11, 5))
    for (label, (mean, worst)), color in zip(points.items(), cycle(plt.get_cmap("tab10").colors), strict=False):
        axes.plot([ms[label]] * 2, [mean, worst], "-", color=color, alpha=0.5)
        axes.plot([ms[label]], [mean], "o", color=color, label=label)
        axes.plot([ms[label]], [worst], "v", color=color)
    axes.set(xlabel=f"ms for {SHOWN} tokens", xscale="log", yscale="log")
    axes.set(ylabel="1 - cosine to float32: mean (dot), worst (triangle)")
    tick(axes)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    picture.tight_layout()
    return save(picture, folder, "fidelity.svg")


def _stages(timings: Sequence[Timing], folder: Path) -> str | None:
    """A panel for each path and precision that ran more than one workload."""
    by_label: dict[str, list[Timing]] = {}
    for one in timings:
        if one.stages:
            by_label.setdefault(one.label, []).append(one)
    panels = {label: mine for label, mine in by_label.items() if len(mine) > 1}
    if not panels:
        return None
    picture, rows = plt.subplots(1, len(panels), figsize=(1.5 + 4.5 * len(panels), 4.5), squeeze=False, sharey=True)
    for axes, (label, mine) in zip(rows[0], panels.items(), strict=True):
        _stacked(axes, mine)
        axes.set(title=label, xlabel="tokens of one text, or texts × tokens", ylim=(0, 100))
    rows[0][0].set_ylabel("% of the forward")
    rows[0][-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    picture.tight_layout()
    return save(picture, folder, "stages.svg")


def _stacked(axes: Any, mine: Sequence[Timing]) -> None:
    names, below = [one.workload for one in mine], [0.0] * len(mine)
    for stage, color in zip(STAGES, COLORS, strict=True):
        heights = [100 * one.stages[stage] for one in mine]
        axes.bar(names, heights, bottom=below, color=color, label=stage)
        below = [low + height for low, height in zip(below, heights, strict=True)]
    axes.tick_params(axis="x", labelsize=8, rotation=45)
