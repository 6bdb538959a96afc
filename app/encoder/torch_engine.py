"""The sentence-transformers engine: the reference, and the engine for every architecture.

Loads through sentence-transformers, which leaves float32 tensors inside the mapping of model.safetensors, and computes
in float32 with torch on one thread. app/fleet/threads.py must have pinned OMP_NUM_THREADS and its kin before this
module is imported. Importing it computes nothing, so the master may, before the fork.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers

from ..errors import ModelRefusedError, one_line
from ..request_errors import InvalidInputError
from .checkpoint import Checkpoint
from .contract import NO_BOUNDS, Bounds, Embeddings
from .model import Model
from .options import DEFAULT, Options, Text
from .tokens import TextTokenizer
from .torch_batches import Features, batcher
from .torch_loading import load
from .vectors import finished

NAME = "sentence-transformers"
PRECISION = "float32"
WARM_UP_WORDS = 50


class TorchEncoder:
    """A model in sentence-transformers' hands; see `contract.Encoder`."""

    def __init__(self, model: Model) -> None:
        """Load a verified model and warm it up. Raises ModelRefusedError if it cannot be loaded."""
        loaded = load(model.checkpoint, model.max_tokens)
        self._pipeline: list[Any] = list(loaded)
        # A request may want the vectors as they are, so the last normalisation is done here, on demand.
        self._normalizes = type(self._pipeline[-1]).__name__ == "Normalize"
        if self._normalizes:
            self._pipeline.pop()
        self._batcher = batcher(loaded, model)
        self._hidden = int(getattr(loaded[0], "get_embedding_dimension", int)() or 0)
        self.info = model.info(
            engine=NAME, precision=PRECISION, dimension=model.cut(int(loaded.get_embedding_dimension() or 0))
        )
        self.encode(["warm " * WARM_UP_WORDS])

    @property
    def tokenizer(self) -> TextTokenizer:
        """See `contract.Encoder.tokenizer`."""
        return self._batcher.tokenizer

    def let_go(self) -> None:
        """See `contract.Encoder.let_go`. It is never inherited: torch must not compute before a fork."""

    take_over = let_go

    def rest(self) -> None:
        """See `contract.Encoder.rest`. torch keeps what it has."""

    def encode(self, texts: Sequence[Text], options: Options = DEFAULT, *, bounds: Bounds = NO_BOUNDS) -> Embeddings:
        """See `contract.Encoder.encode`."""
        started = time.perf_counter()
        prepared = self._batcher.prepare(texts, options, bounds.look)
        tokenized = time.perf_counter()
        is_unpooled, tokens = options.pooling == "none", sum(prepared.lengths)
        bounds.check(tokens, tokens * self._hidden if is_unpooled else 0)
        vectors: list[np.ndarray] = [np.empty(0, np.float32)] * len(texts)
        with torch.inference_mode():
            for positions, features in prepared.batches:
                bounds.look()
                found = self._token_vectors(features) if is_unpooled else self._text_vectors(features)
                for position, vector in zip(positions, found, strict=True):
                    vectors[position] = vector
        vectors = finished(vectors, options, by_default=self._normalizes, dimension=self.info.dimension)
        return Embeddings(
            vectors=vectors if is_unpooled else np.stack(vectors),
            lengths=prepared.lengths,
            lost_tokens=prepared.lost_tokens,
            tokenize_s=tokenized - started,
            forward_s=time.perf_counter() - tokenized,
            fingerprint=self.info.fingerprint,
            unknown_tokens=prepared.unknown_tokens,
            empty_texts=prepared.empty_texts,
        )

    def _text_vectors(self, features: Features) -> list[np.ndarray]:
        """One float32 vector a text, shape (dimension,)."""
        for module in self._pipeline:
            features = module(features)
        return list(features["sentence_embedding"].float().numpy())

    def _token_vectors(self, features: Features) -> list[np.ndarray]:
        """One float32 array a text, shape (tokens, dimension), padding left out."""
        features = self._pipeline[0](features)
        if "token_embeddings" not in features:
            raise InvalidInputError('this model has no token vectors, so "pooling": "none" cannot be answered')
        rows = features["token_embeddings"].float().numpy()
        masks = features["attention_mask"].bool().numpy()
        return [np.ascontiguousarray(row[mask]) for row, mask in zip(rows, masks, strict=True)]


def prepare(checkpoint: Checkpoint) -> None:
    """Import what loading this model will import, so that forked workers inherit it instead of each doing it.

    For the master: computes nothing and keeps nothing. Raises ModelRefusedError if transformers cannot read the
    tokenizer.
    """
    transformers.utils.logging.disable_progress_bar()
    if checkpoint.recipe.modules[0].kind != "Transformer":
        return
    directory = str(checkpoint.recipe.modules[0].directory)
    try:
        local = {"local_files_only": True, "trust_remote_code": False}
        config = transformers.AutoConfig.from_pretrained(directory, **local)
        transformers.AutoTokenizer.from_pretrained(directory, **local)
        transformers.MODEL_MAPPING.get(type(config), None)
    except Exception as error:  # noqa: BLE001 - whatever a model's files provoke, the answer is one line
        raise ModelRefusedError(f"{directory}: transformers cannot read it: {one_line(error)}") from None
