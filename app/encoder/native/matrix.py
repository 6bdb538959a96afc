"""A weight matrix in int8, and a source that has them: what quantisation.py makes and layout.py packs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

SCALES = ("scale", "sums", "stretch", "offset")
"""What a matrix in int8 has beside its values and its bias."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """A weight matrix in int8, as quantisation.py makes it for inputs that are stretched, moved and rotated.

    outputs = (scale × values) × rotated(inputs × stretch + offset) + bias
    """

    values: np.ndarray
    """int8, shape (outputs, inputs)."""
    scale: np.ndarray
    """float32, shape (outputs,)."""
    bias: np.ndarray
    """float32, shape (outputs,)."""
    stretch: np.ndarray
    """float32, shape (inputs,)."""
    offset: np.ndarray
    """float32, shape (inputs,)."""

    @property
    def sums(self) -> np.ndarray:
        """Of each column's weights, which a row's least number is multiplied with; float32, shape (outputs,)."""
        exact: np.ndarray = self.scale.astype(np.float64) * self.values.sum(axis=1, dtype=np.int64)
        return exact.astype(np.float32)


class CannotQuantiseError(Exception):
    """A model cannot be had in int8, or not here; the sentence says why."""


class Quantised(Protocol):
    """A source whose matrices have been quantised."""

    def __call__(self, name: str) -> np.ndarray:
        """See `Read`."""

    def matrix(self, name: str) -> Matrix:
        """A matrix by its name in the packed file ("0.qkv")."""
