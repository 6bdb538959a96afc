"""What a run found, and where it goes: the terminal, results.json, report.md and report.html with their pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tests.bench.encoder import plots, report
from tests.bench.encoder.fidelity import Fidelity, PathDifference
from tests.bench.encoder.figures import Timing
from tests.bench.encoder.plan import Plan
from tests.bench.encoder.timing import Visit
from tests.report import pages
from tests.report.setting import Setting, left_out


@dataclass(frozen=True, kw_only=True)
class Outcome(Setting):
    """Everything that a run found."""

    plan: Plan
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
    pictures = plots.draw(found, folder)
    pages.publish_parts(report.parts(found, pictures), folder, console, data=found, last_words=left_out(found.left_out))
