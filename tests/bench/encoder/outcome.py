"""What a run found, and where it goes: the terminal, results.json, report.md, pictures."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench.encoder import plots, report
from tests.bench.encoder.fidelity import Fidelity, PathDifference
from tests.bench.encoder.figures import Timing
from tests.bench.encoder.plan import Plan
from tests.bench.encoder.timing import Visit
from tests.bench.outcome import drawn


@dataclass(frozen=True)
class Outcome:
    """Everything that a run found."""

    began: str
    took_s: float
    machine: dict[str, Any]
    software: dict[str, Any]
    plan: Plan
    peaks_gflops: dict[str, float | None]
    """Of one core, by precision: the best path's; the median of the rounds."""
    path_peaks_gflops: dict[str, dict[str, float]]
    flop: dict[str, float]
    """By workload."""
    timings: list[Timing]
    cosines: dict[str, float]
    """By engine, the least over the workloads to the first engine's vectors."""
    sources: dict[str, int]
    """How many real texts there were of each."""
    fidelity: list[Fidelity]
    path_differences: list[PathDifference]
    left_out: dict[str, str]
    visits: list[Visit]


def publish(found: Outcome, folder: Path, console: Console) -> None:
    """Write the files and print the tables."""
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(asdict(found), indent=1), encoding="utf-8")
    pictures = plots.draw(found, folder)
    grids = report.grids(found)
    (folder / "report.md").write_text(report.markdown(found, grids, pictures), encoding="utf-8")
    for grid in grids:
        console.print(drawn(grid))
    for name, why in found.left_out.items():
        console.print(f"left out: {name}: {why}", highlight=False, markup=False)
    console.print(f"{found.took_s:.0f} s; {folder}/report.md, results.json, {', '.join(pictures)}", highlight=False)
