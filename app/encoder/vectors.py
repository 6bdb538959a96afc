"""Arithmetic on finished vectors, the same for every engine."""

from __future__ import annotations

import numpy as np

from ..errors import BackendError


def finished(
    found: list[np.ndarray], *, normalize: bool | None, by_default: bool, dimension: int | None = None
) -> list[np.ndarray]:
    """What a model gave, cut to `dimension` numbers and normalized as sentence-transformers does it.

    `normalize` None does as the model's own module, which comes before the cut; true, what was asked for, after it.
    Raises BackendError if a number is not finite.
    """
    if normalize is None and by_default:
        found = [normalized(vectors) for vectors in found]
    found = [vectors[..., :dimension] for vectors in found]
    if normalize:
        found = [normalized(vectors) for vectors in found]
    if not all(np.isfinite(vectors).all() for vectors in found):
        raise BackendError("the model gave a vector that is not finite")
    return found


def normalized(vectors: np.ndarray) -> np.ndarray:
    """Each row brought to length 1, as torch.nn.functional.normalize does it; float32, shape as given."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    result: np.ndarray = vectors / np.maximum(lengths, np.float32(1e-12))
    return result
