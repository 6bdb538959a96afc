"""Holds a freshly loaded model against the reference's vectors: one that computes wrongly never takes a request."""

from __future__ import annotations

import numpy as np

from ..errors import ModelRefusedError
from .contract import Encoder
from .description import Description

# What each precision keeps of any model, and more; a wrong weight, pooling or activation falls far below.
LEAST_COSINE = {"float32": 0.9999, "bfloat16": 0.999, "int8": 0.99}
# The first of the described texts: more would make every worker's start wait.
FEW = 3


def hold(encoder: Encoder, description: Description, *, thoroughly: bool) -> None:
    """Raise ModelRefusedError if the encoder's vectors are not the described ones: of all texts, or of a few."""
    if not description.texts:
        return
    count = len(description.texts) if thoroughly else FEW
    found = encoder.encode(description.texts[:count])
    given = np.asarray(found.vectors, np.float64)
    stored = np.asarray(description.vectors[:count], np.float64)
    if given.shape != stored.shape:
        raise ModelRefusedError(
            f"{encoder.info.model_id}: this worker's vectors have {given.shape[1]} numbers, "
            f"sentence-transformers' have {stored.shape[1]}"
        )
    # BERT_MAX_TOKENS may cut some that the reference left longer.
    is_lower = encoder.info.max_tokens != description.longest
    kept = [index for index, lost in enumerate(found.lost_tokens) if not (lost and is_lower)]
    least = float(cosines(given[kept], stored[kept]).min(initial=1.0))
    needed = LEAST_COSINE[encoder.info.precision]
    if not least >= needed:  # nor if it is no number
        raise ModelRefusedError(
            f"{encoder.info.model_id}: this worker's vectors are not sentence-transformers' "
            f"(least cosine {least:.6f}, at least {needed} is needed)"
        )


def cosines(given: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """Between rows; of two that are all zeros 1."""
    lengths = np.linalg.norm(given, axis=1) * np.linalg.norm(stored, axis=1)
    both_zero = ~given.any(axis=1) & ~stored.any(axis=1)
    found: np.ndarray = np.where(both_zero, 1.0, (given * stored).sum(axis=1) / np.where(lengths == 0, 1.0, lengths))
    return found
