"""How much there is to multiply in a text, and how fast this machine multiplies at best."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Shape:
    """What of a BERT decides its work."""

    layers: int
    hidden: int
    intermediate: int

    @classmethod
    def of(cls, model: Path) -> Shape:
        """Read from the model's config.json."""
        config = json.loads((model / "config.json").read_text(encoding="utf-8"))
        return cls(config["num_hidden_layers"], config["hidden_size"], config["intermediate_size"])

    def flop(self, tokens: Iterable[int]) -> float:
        """Floating-point operations of the matrix products for texts of so many tokens, each for itself."""
        per_token = 2 * (4 * self.hidden**2 + 2 * self.hidden * self.intermediate) * self.layers
        return float(sum(count * per_token + 4 * count**2 * self.hidden * self.layers for count in tokens))


def peaks_gflops(seconds: float) -> dict[str, float]:
    """By precision, what one core reaches here and now with our kernel's best instructions; empty without a kernel."""
    try:
        library = importlib.import_module("app.encoder.native.library")
    except ImportError:
        return {}
    peaks: dict[str, float] = {}
    for precision in PRECISIONS:
        with contextlib.suppress(Exception):
            peaks[precision] = library.peak_gflops(library.choose_path("auto"), precision, seconds)
    return peaks


def share_of_peak(flop_per_s: float, peak_gflops: float | None) -> float | None:
    """The part of what all cores could multiply that became answers."""
    if not peak_gflops:
        return None
    return flop_per_s / (peak_gflops * 1e9 * len(os.sched_getaffinity(0)))
