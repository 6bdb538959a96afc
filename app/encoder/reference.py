"""Holds a freshly loaded model against stored vectors, so that a worker that computes wrongly never takes a request.

app/encoder/references/NAME.json holds, for the weights with a given sha256, a few texts and the vectors that
sentence-transformers gave for them (`made_with` says which version).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from app.errors import ModelRefusedError

if TYPE_CHECKING:
    from app.encoder import Encoder

# What each precision keeps, and more; a wrong weight, pooling or tokenizer falls far below.
LEAST_COSINE = {"float32": 0.9999, "bfloat16": 0.9999, "int8": 0.999}


class Reference(msgspec.Struct, frozen=True):
    """Vectors that a model is known to give, with its own pooling and normalisation."""

    weights_sha256: str
    pooling: str
    made_with: str
    texts: list[str]
    vectors: list[list[float]]


@cache
def find(weights_sha256: str, pooling: str) -> Reference | None:
    """The stored reference for these weights pooled this way, if there is one."""
    for path in (Path(__file__).parent / "references").glob("*.json"):
        reference = msgspec.json.decode(path.read_bytes(), type=Reference)
        if (reference.weights_sha256, reference.pooling) == (weights_sha256, pooling):
            return reference
    return None


def check(encoder: Encoder) -> bool:
    """Whether there is a reference and the encoder agrees with it; raises ModelRefusedError if it does not agree."""
    reference = find(encoder.info.sha256, encoder.info.pooling)
    if reference is None:
        return False
    found = encoder.encode(reference.texts)
    whole = [index for index, lost in enumerate(found.lost_tokens) if not lost]  # BERT_MAX_TOKENS may cut some
    given = np.asarray(found.vectors, np.float64)[whole]
    stored = np.asarray(reference.vectors, np.float64)[whole]
    lengths = np.linalg.norm(given, axis=1) * np.linalg.norm(stored, axis=1)
    least = float(((given * stored).sum(axis=1) / lengths).min())
    needed = LEAST_COSINE[encoder.info.precision]
    if not least >= needed:
        raise ModelRefusedError(
            f"{encoder.info.model_id}: this worker's vectors are not the stored ones "
            f"(least cosine {least:.6f}, at least {needed} is needed)"
        )
    return True
