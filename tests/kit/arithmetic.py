"""How much there is to multiply in a text, and how fast this machine multiplies at best."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PRECISIONS = ("float32", "bfloat16", "int8")


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


def path_peaks_gflops(seconds: float) -> dict[str, dict[str, float]]:
    """By path of our kernel and precision, what one core reaches here and now; empty without a kernel.

    Each is measured for so long.
    """
    try:
        library = importlib.import_module("app.encoder.native.library")
        paths = [path for path in library.paths() if path not in library.PLAIN_PATHS.values()]
    except Exception:  # noqa: BLE001 - no kernel, or one that cannot be loaded: then there is no peak to tell
        return {}
    return {
        path: {precision: library.peak_gflops(path, precision, seconds) for precision in PRECISIONS} for path in paths
    }


def core_peaks(peaks: dict[str, dict[str, float]]) -> dict[str, float]:
    """By precision, the most that any path reaches."""
    found: dict[str, float] = {}
    for by_precision in peaks.values():
        for precision, gflops in by_precision.items():
            found[precision] = max(gflops, found.get(precision, 0.0))
    return found


def share_of_peak(flop_per_s: float, peak_gflops: float | None) -> float | None:
    """The part of what all cores could multiply that became answers."""
    if not peak_gflops:
        return None
    return flop_per_s / (peak_gflops * 1e9 * len(os.sched_getaffinity(0)))
