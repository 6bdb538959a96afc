"""What a run found, and where it goes: the terminal, results.json, report.md and report.html with their pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tests.bench import plots, report
from tests.bench.figures import Figures, Visit
from tests.bench.plan import Plan
from tests.report import pages
from tests.report.setting import Setting, left_out


@dataclass(frozen=True, kw_only=True)
class Outcome(Setting):
    """Everything that a run found."""

    plan: Plan
    figures: list[Figures]
    """Medians of the rounds."""
    visits: list[Visit]
    left_out: dict[str, str]
    every_figure: list[Figures]
    every_visit: list[Visit]


def publish(found: Outcome, folder: Path, console: Console) -> None:
    """Write the files and print the tables."""
    pictures = plots.draw(found.figures, found.visits, folder)
    pages.publish_parts(report.parts(found, pictures), folder, console, data=found, last_words=left_out(found.left_out))
