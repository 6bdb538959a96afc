"""Tables of strings: in Markdown, and on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table


@dataclass(frozen=True)
class Grid:
    """A table of strings; the first `left` columns are words, the others numbers."""

    title: str
    columns: Sequence[str]
    rows: list[list[str]]
    left: int = 1
    is_printed: bool = True
    """Whether the terminal gets it, too: a wide one would be cut there."""

    def markdown(self) -> str:
        """With its title."""
        rules = ["---"] * self.left + ["---:"] * (len(self.columns) - self.left)
        lines = [self.columns, rules, *self.rows]
        return f"## {self.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def drawn(self) -> Table:
        """For the terminal."""
        found = Table(title=self.title, title_justify="left", box=box.SIMPLE_HEAD)
        for index, column in enumerate(self.columns):
            is_number = index >= self.left
            found.add_column(column, justify="right" if is_number else "left", no_wrap=is_number)
        for row in self.rows:
            found.add_row(*row)
        return found


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def number(value: float | None) -> str:
    """Three digits are enough of a figure that drifts."""
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
