"""What an engine must do: the one way in which the rest of the house reaches a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

Pooling = Literal["none"]


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The answer to one request, in the order of its texts."""

    vectors: np.ndarray | list[np.ndarray]
    """float32, shape (texts, dimension); with pooling "none" one array a text, shape (tokens, dimension)."""
    tokens: int
    """Tokens that were encoded, special tokens included."""
    lost_tokens: list[int]
    """Tokens that were cut off each text."""
    tokenize_s: float
    forward_s: float


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What an engine serves, in words: the model half of /info."""

    engine: str
    isa: str
    """The path (instruction set) that the native engine takes; "" where torch chooses for itself."""
    sums: str
    """The order in which it adds, of which the bits come; "" for torch."""
    packed_sha256: str
    """Of the packed weights: equal wherever they are the same to the bit; "" for torch."""
    measured_ms: dict[str, list[float]]
    """What the paths took when this one was chosen, for a short text and a long one; empty if there was no choice."""
    model_id: str
    revision: str
    sha256: str
    fingerprint: str
    architecture: str
    dimension: int
    max_tokens: int
    pooling: str
    normalize: bool
    precision: str
    prompts: dict[str, str]


class Encoder(Protocol):
    """A loaded model. One call at a time computes on one thread; calls from several threads are safe."""

    info: ModelInfo

    def encode(
        self,
        texts: Sequence[str],
        *,
        normalize: bool | None = None,
        truncate: bool = True,
        pooling: Pooling | None = None,
    ) -> Embeddings:
        """Encode texts, each a non-empty str.

        `normalize` None does as the model's own files say; `pooling` "none" gives token vectors, which are
        normalised only if `normalize` is true. Raises TextTooLongError if a text is over the limit and `truncate`
        is false, BackendError if a vector is not finite.
        """
        ...
