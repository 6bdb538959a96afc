"""The service as the study's tokenizer.json had it: every text padded to 128 tokens. `tests.study.padded:create_app()`.

On the sentence-transformers engine, since the native one has nothing to pad. BERT_MAX_TOKENS=128 cuts there, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

import app
from app.encoder import torch_engine
from app.encoder.model import Model
from app.encoder.tokens import TokenizedText
from app.encoder.torch_batches import FastBatcher, Features
from tests.study.columns import CUT

if TYPE_CHECKING:
    from flask import Flask


class PaddedBatcher(FastBatcher):
    """Batches whose texts all have 128 tokens; the attention mask leaves the padding out of the vectors."""

    def _features(self, texts: list[TokenizedText], prompt_tokens: int) -> Features:
        features = super()._features(texts, prompt_tokens)
        for name, rows in features.items():
            if isinstance(rows, torch.Tensor):
                padded = np.full((len(texts), CUT), self._pad_ids.get(name, 0), np.int64)
                padded[:, : rows.shape[1]] = rows
                features[name] = torch.from_numpy(padded)
        return features


def create_app() -> Flask:
    """The application, which will load its model with these batches."""
    torch_engine.batcher = _batcher  # type: ignore[attr-defined]
    return app.create_app()


def _batcher(loaded: SentenceTransformer, model: Model) -> PaddedBatcher:
    return PaddedBatcher(loaded, model)
