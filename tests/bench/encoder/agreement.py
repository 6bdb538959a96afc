"""How alike two engines' vectors are."""

from __future__ import annotations

import numpy as np

NEIGHBOURS = 5


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of each row with the same row of the other; float64, shape (rows,)."""
    found: np.ndarray = np.einsum("ij,ij->i", unit(one), unit(other))
    return found


def unit(vectors: np.ndarray) -> np.ndarray:
    """Each row at length 1, in float64."""
    exact = vectors.astype(np.float64)
    found: np.ndarray = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    return found


def neighbour_overlap(one: np.ndarray, other: np.ndarray, count: int = NEIGHBOURS) -> float:
    """The part of each row's nearest rows, itself not among them, that are the same in both; the mean over rows."""
    pairs = zip(_nearest(one, count), _nearest(other, count), strict=True)
    return float(np.mean([len(np.intersect1d(*pair)) / count for pair in pairs]))


def _nearest(vectors: np.ndarray, count: int) -> np.ndarray:
    likeness = unit(vectors) @ unit(vectors).T
    np.fill_diagonal(likeness, -np.inf)
    found: np.ndarray = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
    return found


def same_bits(one: np.ndarray, other: np.ndarray) -> int:
    """How many rows are the same to the bit."""
    return int((one.view(np.uint32) == other.view(np.uint32)).all(axis=1).sum())


def largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Between any component and the same of the other."""
    return float(np.abs(one.astype(np.float64) - other).max())
