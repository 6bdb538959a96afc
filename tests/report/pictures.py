"""What all plots have in common: colors, ticks as people write them, a legend over the panels, files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

# Told apart without red and green: Okabe and Ito's.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
# The same file for the same figures: no date in it, and no names by chance.
STEADY = {"Date": None}
mpl.rcParams["svg.hashsalt"] = "serve-bert"


def tick(axes: Any) -> None:
    """Numbers as people write them, where matplotlib would write powers of ten."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_formatter(NullFormatter())


def panels(
    names: Sequence[str], draw: Callable[[Any, str], None], folder: Path, file: str, *, columns: int = 3
) -> str | None:
    """A picture with a panel for each name, and one legend over them; None without names."""
    if not names:
        return None
    picture, row = plt.subplots(1, len(names), figsize=(1 + 4.5 * len(names), 4.2), squeeze=False)
    for axes, name in zip(row[0], names, strict=True):
        draw(axes, name)
        axes.grid(visible=True, alpha=0.3)
        tick(axes)
    legend(picture, row[0], columns=columns if len(names) > 1 else 2)
    return save(picture, folder, file)


def legend(picture: Any, row: Sequence[Any], columns: int) -> None:
    """One for all panels, over them."""
    pairs = [pair for axes in row for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    handles = {label: handle for handle, label in pairs}
    picture.legend(handles.values(), handles.keys(), loc="upper center", ncols=columns, fontsize=8)
    picture.tight_layout(rect=(0, 0, 1, 0.98 - 0.05 * -(-len(handles) // columns)))


def bars(axes: Any, values: Mapping[str, float], color: Callable[[str], str], says: str) -> None:
    """Horizontal, the first on top, each with its number."""
    drawn = axes.barh(list(values), list(values.values()), color=[color(name) for name in values])
    axes.bar_label(drawn, fmt="%.0f", padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set(xlabel=says)


def save(picture: Any, folder: Path, name: str) -> str:
    """As SVG, which is sharp on every screen, or as the name ends."""
    folder.mkdir(parents=True, exist_ok=True)
    picture.savefig(folder / name, dpi=110, metadata=STEADY if name.endswith(".svg") else None)
    plt.close(picture)
    return name
