"""Text to vectors. Knows nothing of HTTP.

`verify` finds and checks a model without loading it (the master does this, once); `open_encoder` loads it (every
worker does this, after the fork). What comes back is an `Encoder`, whichever engine is behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from app.encoder.checkpoint import Checkpoint, verify
from app.errors import ConfigurationError

__all__ = ["Checkpoint", "Embeddings", "Encoder", "ModelInfo", "import_engine", "open_encoder", "verify"]

Pooling = Literal["none"]
ENGINE = "sentence-transformers"


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


def resolve_precision(precision: str) -> str:
    """The arithmetic that `auto` means for the sentence-transformers engine. Raises ConfigurationError for others."""
    if precision == "bfloat16":
        raise ConfigurationError(
            "BERT_PRECISION: 'bfloat16' cannot be used: the sentence-transformers engine computes in float32"
        )
    return "float32"


def import_engine(checkpoint: Checkpoint) -> None:
    """Import what loading the model needs without computing anything: in the master, so that workers inherit it.

    Raises ModelRefusedError if the engine cannot even read the model's configuration and tokenizer.
    """
    from app.encoder import torch_engine

    torch_engine.prepare(checkpoint)


def open_encoder(checkpoint: Checkpoint, *, precision: str = "float32") -> Encoder:
    """Load a verified model, warm it up and hold it against its stored reference.

    Raises ModelRefusedError if it cannot be loaded whole or gives other vectors than the reference.
    """
    from app.encoder import reference
    from app.encoder.torch_engine import TorchEncoder

    for file in checkpoint.weights:
        file.check_unchanged()
    encoder = TorchEncoder(checkpoint, precision)
    if not checkpoint.recipe.default_prompt:  # the reference's texts stand alone
        reference.check(encoder)
    return encoder
