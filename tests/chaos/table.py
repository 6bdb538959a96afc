"""The table: fault, what was expected, what was seen, the verdict."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

WIDTHS = (34, 38, 52)


@dataclass(frozen=True)
class Row:
    """One fault."""

    fault: str
    expected: str
    seen: str
    is_whole: bool
    """Nothing was lost, and nobody died of it."""
    is_in_time: bool = True

    @property
    def verdict(self) -> str:
        return "as expected" if self.is_whole and self.is_in_time else "LATE" if self.is_whole else "MISSED"


def drawn(rows: Sequence[Row]) -> str:
    """The table for a terminal."""
    lines = [_line(["fault", "expected", "seen"], "verdict"), "-" * (sum(WIDTHS) + 20)]
    for row in rows:
        cells = [textwrap.wrap(cell, width) or [""] for cell, width in zip(_cells(row), WIDTHS, strict=True)]
        for index in range(max(map(len, cells))):
            parts = [cell[index] if index < len(cell) else "" for cell in cells]
            lines.append(_line(parts, row.verdict if index == 0 else ""))
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, str, str]:
    return row.fault, row.expected, row.seen


def _line(cells: Sequence[str], verdict: str) -> str:
    return "  ".join([*(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)), verdict]).rstrip()
