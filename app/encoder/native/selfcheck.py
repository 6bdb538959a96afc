"""Whether the chosen path computes what the plain one computes, here and now: asked by every worker as it loads."""

from __future__ import annotations

import numpy as np

from app.encoder.native.forward import Forward
from app.encoder.native.weights import Weights
from app.errors import ModelRefusedError

# A full tile of rows, a second one, and a remainder.
TOKENS = 13
# Two layers hold every kind of step; more would make the start of a large model wait.
LAYERS = 2
# The paths differ by a few 1e-6 (float32) or not at all (bfloat16); anything wrong is far above this.
LARGEST_DIFFERENCE = 1e-3


def compare_with_plain(weights: Weights, isa: str, longest: int) -> None:
    """Encode a few tokens on both paths. Raises ModelRefusedError if the vectors differ."""
    model = weights.model
    ids = (np.arange(min(TOKENS, longest), dtype=np.int64) * 7919 % model.vocabulary).astype(np.int32)
    types, starts = np.zeros_like(ids), np.array([0, len(ids)], np.int32)
    layers, model.layers = model.layers, min(LAYERS, model.layers)
    try:
        here, plain = (Forward(weights, path, (), longest).states(ids, types, starts) for path in (isa, "plain"))
    finally:
        model.layers = layers
    largest = float(np.abs(here - plain).max())
    if not largest <= LARGEST_DIFFERENCE * max(1.0, float(np.abs(plain).max())):
        raise ModelRefusedError(
            f"the {isa} path of the kernel gives other vectors than the plain one on this machine "
            f"(largest difference {largest:.2g}); BERT_ISA or BERT_ENGINE can name another"
        )
