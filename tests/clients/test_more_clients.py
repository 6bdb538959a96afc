"""llama-index, haystack, chromadb, and openai for JavaScript."""

from __future__ import annotations

import numpy as np
import pytest

from tests.clients.clients import VENV, least_cosine, python, run
from tests.kit.fleet import Fleet

SAME = 0.9999


def test_llama_index(fleet: Fleet, expected: np.ndarray) -> None:
    assert least_cosine(python("clients-more", "llama_index_client", fleet, "batch"), expected) >= SAME


@pytest.mark.parametrize("way", ["texts", "documents"])
def test_haystack(fleet: Fleet, expected: np.ndarray, way: str) -> None:
    """It asks for vectors as they are, and gets them."""
    vectors = python("clients-more", "haystack_client", fleet, way)
    assert least_cosine(vectors, expected) >= SAME
    assert np.linalg.norm(np.asarray(vectors), axis=1).min() > 1.5


def test_chromadb(fleet: Fleet, expected: np.ndarray) -> None:
    assert least_cosine(python("clients-more", "chromadb_client", fleet, "call"), expected) >= SAME


@pytest.mark.parametrize("way", ["default", "float"])
def test_openai_for_javascript(fleet: Fleet, expected: np.ndarray, way: str) -> None:
    program = VENV / "clients-js" / "openai_client.mjs"
    assert least_cosine(run(["node", program], fleet, way), expected) >= SAME
