"""openai, huggingface_hub, LangChain, LiteLLM and schemathesis: the vectors are sentence-transformers'."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from tests.clients.clients import KEY, TEXTS, VENV, least_cosine, python
from tests.kit.fleet import Fleet
from tests.kit.places import ROOT

SAME = 0.9999
LIBRARIES = VENV / "clients" / "lib"


@pytest.mark.parametrize("way", ["default", "float", "base64", "async"])
def test_openai(fleet: Fleet, expected: np.ndarray, way: str) -> None:
    assert least_cosine(python("clients", "openai_client", fleet, way), expected) >= SAME


def test_openai_with_as_many_texts_as_it_sends_at_once(fleet: Fleet, reference: SentenceTransformer) -> None:
    texts = [f"text number {number}" for number in range(2048)]
    vectors = python("clients", "openai_client", fleet, "default", texts=texts)
    assert least_cosine(vectors, np.asarray(reference.encode(texts, batch_size=256), np.float64)) >= SAME


def test_openai_hears_what_was_wrong(fleet: Fleet) -> None:
    told = python("clients", "openai_client", fleet, "refused")
    assert told == ["BadRequestError", 400, "input[1]", "text 1 is empty"]


def test_openai_finds_the_model(fleet: Fleet) -> None:
    assert python("clients", "openai_client", fleet, "models") == [True]


@pytest.mark.parametrize("way", ["feature_extraction", "base_url"])
def test_huggingface_hub(fleet: Fleet, expected: np.ndarray, way: str) -> None:
    assert least_cosine(python("clients", "hub_client", fleet, way), expected) >= SAME


def test_huggingface_hub_compares_sentences(fleet: Fleet, expected: np.ndarray) -> None:
    similarities = python("clients", "hub_client", fleet, "sentence_similarity")
    assert np.allclose(similarities, expected[1:] @ expected[0], atol=2e-3)


def test_langchain_openai(fleet: Fleet, expected: np.ndarray) -> None:
    assert least_cosine(python("clients", "langchain_client", fleet, "text"), expected) >= SAME


def test_langchain_openai_hears_that_its_token_ids_are_another_vocabulary_s(fleet: Fleet) -> None:
    """LiteLLM carries the vocabulary that it would fetch."""
    (folder,) = LIBRARIES.glob("python3.*/site-packages/litellm/litellm_core_utils/tokenizers")
    told = python("clients", "langchain_client", fleet, "ids", TIKTOKEN_CACHE_DIR=str(folder))
    assert told[0] == 422
    assert "check_embedding_ctx_length=False" in told[1]


def test_langchain_huggingface(fleet: Fleet, reference: SentenceTransformer) -> None:
    expected = np.asarray(reference.encode([text.replace("\n", " ") for text in TEXTS]), np.float64)
    assert least_cosine(python("clients", "langchain_client", fleet, "huggingface"), expected) >= SAME


@pytest.mark.parametrize("way", ["openai", "huggingface"])
def test_litellm(fleet: Fleet, expected: np.ndarray, way: str) -> None:
    assert least_cosine(python("clients", "litellm_client", fleet, way), expected) >= SAME


def test_schemathesis_finds_nothing(fleet: Fleet, tmp_path: Path) -> None:
    program = VENV / "clients" / "bin" / "schemathesis"
    options = ["--config-file", str(ROOT / "config" / "schemathesis.toml")]
    command = [str(program), *options, "run", f"{fleet.url}/openapi.json", "--max-examples", "40", "--seed", "1"]
    command += ["--header", f"Authorization: Bearer {KEY}"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-1000:]
    assert re.search(r"(\d{4,}) generated, \1 passed", ran.stdout), ran.stdout[-4000:]
