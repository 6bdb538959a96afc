"""What a run found, and where it goes: the terminal, results.json, report.md, plots."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tests.bench import plots, report
from tests.bench.figures import Figures, Visit
from tests.bench.plan import Plan


@dataclass(frozen=True)
class Outcome:
    """Everything that a run found."""

    began: str
    took_s: float
    machine: dict[str, Any]
    software: dict[str, Any]
    plan: Plan
    peaks_gflops: dict[str, float | None]
    """Of one core, by precision; the median of the rounds."""
    figures: list[Figures]
    """Medians of the rounds."""
    visits: list[Visit]
    left_out: dict[str, str]
    every_figure: list[Figures]
    every_visit: list[Visit]


def publish(found: Outcome, folder: Path, console: Console) -> None:
    """Write the files and print the tables."""
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(asdict(found), indent=1), encoding="utf-8")
    pictures = plots.draw(found.figures, found.visits, folder)
    tables = report.tables(found.figures, found.visits)
    text = report.markdown(found, tables, pictures)
    (folder / "report.md").write_text(text, encoding="utf-8")
    for table in tables:
        console.print(drawn(table))
    for name, why in found.left_out.items():
        console.print(f"left out: {name}: {why}", highlight=False, markup=False)
    console.print(f"{found.took_s:.0f} s; {folder}/report.md, results.json, {', '.join(pictures)}", highlight=False)


def drawn(table: report.Grid) -> Table:
    """A table for the terminal."""
    found = Table(title=table.title, title_justify="left", box=box.SIMPLE_HEAD)
    for index, column in enumerate(table.columns):
        found.add_column(column, justify="right" if index >= table.left else "left", no_wrap=index >= table.left)
    for row in table.rows:
        found.add_row(*row)
    return found
