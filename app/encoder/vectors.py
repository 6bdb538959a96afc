"""Arithmetic on finished vectors, the same for every engine."""

from __future__ import annotations

import numpy as np

from app.errors import BackendError

SHORTEST = np.float32(1e-12)


def finished(found: list[np.ndarray], *, normalize: bool) -> list[np.ndarray]:
    """What a model gave, normalized if asked. Raises BackendError if a number of it is not finite."""
    return [_finished(vectors, normalize=normalize) for vectors in found]


def _finished(vectors: np.ndarray, *, normalize: bool) -> np.ndarray:
    """Each row brought to length 1, if asked, as torch.nn.functional.normalize does it; float32, shape as given.

    A row's length is finite only if all of its numbers are, so one look tells both. Plain ufuncs: np.linalg.norm costs
    more than all of this on one vector.
    """
    lengths = np.sqrt(np.add.reduce(vectors * vectors, axis=-1, keepdims=True))
    if not np.logical_and.reduce(np.isfinite(lengths), axis=None):
        raise BackendError("the model gave a vector that is not finite")
    return vectors / np.maximum(lengths, SHORTEST) if normalize else vectors
