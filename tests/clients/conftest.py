"""A live fleet that asks for a key, and what sentence-transformers gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from app.encoder import Checkpoint
from tests.clients.clients import KEY, TEXTS
from tests.kit.fleet import Fleet, serving


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    with serving(workers=2, BERT_API_KEY=KEY) as fleet:
        yield fleet


@pytest.fixture(scope="session")
def reference(checkpoint: Checkpoint) -> SentenceTransformer:
    return SentenceTransformer(str(checkpoint.directory), device="cpu")


@pytest.fixture(scope="session")
def expected(reference: SentenceTransformer) -> np.ndarray:
    return np.asarray(reference.encode(TEXTS), np.float64)
