"""What is measured, whichever engine is behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.bench.encoder.workloads import Workload

Call = Callable[[], np.ndarray]
"""Computes a workload; float32, shape (texts, dimension)."""


class CannotRunError(Exception):
    """An engine that cannot run here; says why in a sentence."""


@dataclass(frozen=True)
class Contender:
    """An engine in one precision."""

    name: str
    precision: str
    prepare: Callable[[Workload], Call | None]
    """A call for a workload, with everything done beforehand that can be; None if it cannot take that one."""
    stages_s: Callable[[Workload], dict[str, float]] | None = None
    """How long each stage of a forward took."""
    is_slow: bool = False
    """Then one workload in one round is enough."""

    @property
    def label(self) -> str:
        return f"{self.name} {self.precision}"
