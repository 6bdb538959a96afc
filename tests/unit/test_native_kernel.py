"""Every path of the kernel against the plain one, and the plain one against BERT written in numpy."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from app.encoder.native import library
from tests.native_bert import bert, pooled
from tests.native_models import (
    SmallModel,
    Texts,
    assert_same,
    bits,
    calls,
    dense,
    forward_of,
    joined,
    normalized,
    own_code,
    plain_of,
    small_model,
    states,
    vectors,
)

FASTER = [isa for isa in library.paths() if isa not in library.PLAIN_PATHS.values()]
# Every remainder of 6 and of 16 rows, of 16 columns and of 48 rows, even and odd.
SHORT = (*range(1, 19), 31, 32, 33, 47, 48, 49)
MODELS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "the smallest": ({"inner": 64, "layers": 3}, SHORT),
    "long texts": ({"inner": 64, "layers": 1}, (512, 511, 497, 255, 256, 257)),
    "one head": ({"head": 64, "layers": 1, "activation": "gelu_tanh"}, SHORT),
    "heads of 32": ({"hidden": 128, "head": 32, "inner": 320, "activation": "relu"}, SHORT),
    "heads of 48": ({"hidden": 192, "head": 48, "inner": 256, "layers": 1, "activation": "gelu_tanh"}, (1, 6, 17, 40)),
    "MiniLM's": ({"hidden": 384, "head": 32, "inner": 1536}, (1, 2, 7, 13)),
    "the widest head": ({"hidden": 256, "head": 256, "inner": 64, "layers": 1}, (1, 5, 16, 35)),
    "large": ({"hidden": 1024, "head": 64, "inner": 2048, "layers": 1}, (3, 8)),
}
CODES = [(precision, isa) for precision in library.PRECISIONS for isa in own_code(precision)]
POOLINGS = (("mean",), ("cls",), ("max",), ("lasttoken",), ("mean", "max"), ("lasttoken", "cls", "max", "mean"))


@pytest.mark.parametrize("precision", library.PRECISIONS)
@pytest.mark.parametrize(("sizes", "lengths"), MODELS.values(), ids=MODELS)
def test_every_path_gives_the_plain_ones_states(
    sizes: dict[str, Any], lengths: tuple[int, ...], precision: str
) -> None:
    model = small_model(**sizes)
    weights, texts = model.weights(precision), model.texts(lengths)
    faster = [isa for isa in own_code(precision) if isa in FASTER]
    plain = {
        isa: states(forward_of(model, weights, isa), texts) for isa in {plain_of(isa, precision) for isa in faster}
    }
    assert all(np.isfinite(expected).all() for expected in plain.values())
    for isa in faster:
        assert_same(states(forward_of(model, weights, isa), texts), plain[plain_of(isa, precision)], precision)


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "relu"])
@pytest.mark.parametrize("pad_id", [-1, 0, 1])
def test_the_plain_path_is_bert(activation: str, pad_id: int) -> None:
    model = small_model(128, 32, 192, activation=activation, pad_id=pad_id, positions=64)
    texts = model.texts([1, 2, 7, 64, 30])
    texts.ids[[5, 20, 21, 103]] = max(pad_id, 0)  # RoBERTa's padding inside a text, and at its end
    found = states(forward_of(model, model.weights("float32"), library.PLAIN), texts)
    expected = np.concatenate([bert(model, text) for text in texts])
    assert np.abs(normalized(found) - normalized(expected)).max() < 1e-6
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("isa", own_code("bfloat16"))
def test_bfloat16_is_near_bert(isa: str) -> None:
    model = small_model(128, 32, 192)
    texts = model.texts([1, 9, 64])
    found = states(forward_of(model, model.weights("bfloat16"), isa), texts)
    expected = np.concatenate([bert(model, text) for text in texts])
    assert (normalized(found) * normalized(expected)).sum(axis=1).min() > 0.9995


@pytest.mark.parametrize("isa", own_code("float32"))
@pytest.mark.parametrize("poolings", POOLINGS, ids="+".join)
def test_poolings(poolings: tuple[str, ...], isa: str) -> None:
    model = small_model(poolings=poolings, layers=1)
    texts = model.texts([1, 2, 13, 40])
    forward = forward_of(model, model.weights("float32"), isa)
    found = forward.vectors(texts.ids, texts.types, texts.starts)
    by_text = np.split(states(forward, texts), texts.starts[1:-1])
    expected = np.stack([pooled(each, poolings) for each in by_text])
    assert found.shape == (4, len(poolings) * 64)
    assert np.abs(found - expected).max() < 1e-6


@pytest.fixture(scope="module")
def crowd() -> tuple[SmallModel, Texts]:
    """A model with all that comes after its layers, and texts of many lengths."""
    model = small_model(128, 32, 192, poolings=("mean", "max"), dense=(dense(0, 256, 70, "tanh"),))
    return model, model.texts([1, 2, 3, 5, 6, 7, 12, 13, 16, 17, 31, 48, 49, 96])


@pytest.mark.parametrize(("precision", "isa"), CODES)
def test_a_texts_vector_does_not_depend_on_its_company(
    crowd: tuple[SmallModel, Texts], isa: str, precision: str
) -> None:
    model, texts = crowd
    forward = forward_of(model, model.weights(precision), isa)
    alone = [bits(forward.vectors(text.ids, text.types, text.starts)) for text in texts]
    random, every = np.random.default_rng(1), list(texts)
    for _ in range(4):
        order = random.permutation(len(every))
        together = vectors(forward, joined(every[place] for place in order))
        assert [bits(row) for row in together] == [alone[place] for place in order]


@pytest.mark.long
@pytest.mark.parametrize(("precision", "isa"), CODES)
def test_threads_do_not_disturb_each_other(crowd: tuple[SmallModel, Texts], isa: str, precision: str) -> None:
    model, texts = crowd
    forward = forward_of(model, model.weights(precision), isa)

    def rotated(shift: int) -> list[bytes]:
        every = list(texts)
        found = vectors(forward, joined(every[shift:] + every[:shift]))
        return [bits(row) for row in np.roll(found, shift, axis=0)]

    expected = rotated(0)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(rotated, list(range(len(texts))) * 3):
            assert found == expected


@pytest.mark.parametrize(("precision", "isa"), CODES)
def test_what_lay_in_the_scratch_does_not_matter(crowd: tuple[SmallModel, Texts], isa: str, precision: str) -> None:
    model, texts = crowd
    forward = forward_of(model, model.weights(precision), isa)
    for text in texts:
        found = []
        for rest in (0, 0xFF):  # 0xFFFF and 0xFFFFFFFF are no numbers
            forward._spare[:] = [library.aligned(forward._scratch_bytes)]
            forward._spare[0].fill(rest)
            found.append(bits(forward.vectors(text.ids, text.types, text.starts)))
        assert found[0] == found[1]


@pytest.mark.parametrize(("precision", "isa"), CODES)
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_what_is_no_number_stays_none(precision: str, isa: str, activation: str) -> None:
    """A broken vector must not come out of the last layer as an ordinary one: the engine refuses NaN and infinity."""
    model = small_model(poolings=("max",), dense=(dense(0, 64, 64, activation),), activation=activation)
    model.source["embeddings.word_embeddings.weight"][11] = np.nan
    texts = model.texts([6])
    texts.ids[:] = [1, 2, 3, 11, 5, 6]
    found = vectors(forward_of(model, model.weights(precision), isa), texts)
    assert np.isnan(found).all()


@pytest.mark.parametrize("change", ["dtype", "stride", "types", "starts"])
def test_arrays_of_another_form_are_refused(change: str) -> None:
    model = small_model(layers=1)
    forward, texts = forward_of(model, model.weights("float32"), library.PLAIN), model.texts([3, 3])
    ids, types, starts = texts.ids, texts.types, texts.starts
    wrong: dict[str, Callable[[], Any]] = {
        "dtype": lambda: forward.vectors(ids.astype(np.int64), types, starts),
        "stride": lambda: forward.vectors(np.repeat(ids, 2)[::2], types, starts),
        "types": lambda: forward.vectors(ids, types[:-1], starts),
        "starts": lambda: forward.vectors(ids, types, starts - 1),
    }
    with pytest.raises((TypeError, ValueError), match="the kernel takes"):
        wrong[change]()


def test_every_stage_is_timed() -> None:
    model = small_model()
    forward, texts = forward_of(model, model.weights("float32"), FASTER[-1] if FASTER else "plain"), model.texts([64])
    seconds = forward.stage_seconds(*next(iter((call.ids, call.types, call.starts) for call in calls(texts))))
    assert list(seconds) == list(library.STAGES)
    assert all(0 < spent < 1 for spent in seconds.values())


@pytest.mark.parametrize("precision", library.PRECISIONS)
def test_the_peak_is_a_processors(precision: str) -> None:
    assert library.peak_gflops(library.PLAIN, precision, 0.001) == 0
    for isa in FASTER:
        assert 1 < library.peak_gflops(isa, precision, 0.02) < 10_000
