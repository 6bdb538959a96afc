"""Whether a path computes what the plain one of its order computes, here and now.

The master asks the plain path once; it and every worker, as it loads, hold their path against that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import library
from .forward import Forward, LaidOut
from .structs import Weights

# More rows than one tile has of any path, in a number that leaves a remainder; a text alone and one in company.
LENGTHS = (17, 2)
# Two layers hold every kind of step; more would make the start of a large model wait.
LAYERS = 2
# In bfloat16 a path gives the plain one's bits. In float32 they differ by a few 1e-6; anything wrong is far above this.
LARGEST_DIFFERENCE = 1e-3


class WrongPathError(Exception):
    """A path gives other vectors than the plain one; the sentence says which and by how much."""


@dataclass(frozen=True)
class Witness:
    """The first layers' states of a few tokens on the plain path; float32, shape (tokens, hidden)."""

    states: np.ndarray


def ask_plain(weights: Weights, isa: str, precision: str, longest: int) -> Witness:
    """What the plain path of this path's order of adding gives."""
    return Witness(_states(weights, library.PLAIN_PATHS[library.sums(isa, precision)], longest))


def compare(weights: Weights, isa: str, precision: str, longest: int, witness: Witness) -> None:
    """Raises WrongPathError if the path's states are not the witness's."""
    here = _states(weights, isa, longest)
    difference = np.abs(here - witness.states).max()
    bound = LARGEST_DIFFERENCE * max(1.0, float(np.abs(witness.states).max())) if precision == "float32" else 0.0
    if not difference <= bound:
        raise WrongPathError(
            f"the {isa} path of the kernel gives other vectors than the plain one on this machine "
            f"(largest difference {difference:.2g})"
        )


def _states(weights: Weights, isa: str, longest: int) -> np.ndarray:
    model = weights.model
    laid_out = _texts(model.vocabulary, longest)
    layers, model.layers = model.layers, min(LAYERS, model.layers)
    try:
        return Forward(weights, isa, (), longest).states(*laid_out)
    finally:
        model.layers = layers


def _texts(vocabulary: int, longest: int) -> LaidOut:
    lengths = [min(length, longest) for length in LENGTHS]
    ids = (np.arange(sum(lengths), dtype=np.int64) * 7919 % vocabulary).astype(np.int32)
    return ids, np.zeros_like(ids), np.cumsum([0, *lengths], dtype=np.int32)
