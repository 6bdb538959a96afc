"""Dense layers after the pooling: on every path what numpy computes, and refused where they are not sound."""

from __future__ import annotations

from ctypes import byref

import numpy as np
import pytest

from app.encoder.native import library
from app.encoder.native.layout import Dense
from tests.native_bert import bert, dense_layers, pooled
from tests.native_models import SmallModel, assert_same, dense, forward_of, plain_of, small_model, vectors

OK, NO_PATH, BAD_MODEL, BAD_TEXTS, BAD_POOLING, SMALL_SCRATCH = range(len(library.ERRORS))
LAYERS: dict[str, tuple[Dense, ...]] = {
    "a multiple of 64": (dense(0, 64, 128, "tanh"),),
    "odd": (dense(0, 64, 7, "gelu"),),
    "without bias": (dense(0, 64, 66, bias=False),),
    "two": (dense(0, 64, 70, "relu"), dense(1, 70, 33, "tanh", bias=False)),
}


@pytest.mark.parametrize("precision", library.PRECISIONS)
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_dense_layers(layers: tuple[Dense, ...], precision: str) -> None:
    model = small_model(layers=1, dense=layers)
    texts = model.texts([1, 8, 3, 5, 2, 9, 4])
    weights = model.weights(precision)
    plain = {isa: vectors(forward_of(model, weights, isa), texts) for isa in set(library.PLAIN_PATHS.values())}
    expected = np.stack([dense_layers(model, pooled(bert(model, text), ("mean",))) for text in texts])
    for found in plain.values():
        assert found.shape == (7, layers[-1].outputs)
        assert np.abs(found - expected).max() < (1e-5 if precision == "float32" else 0.05)
    for isa in library.paths():
        assert_same(vectors(forward_of(model, weights, isa), texts), plain[plain_of(isa, precision)], precision)


@pytest.fixture(scope="module")
def small() -> SmallModel:
    return small_model(positions=32, dense=(dense(0, 64, 64),))


CALLS: dict[str, tuple[int, dict[str, int | None]]] = {
    "path 99": (NO_PATH, {"path": 99}),
    "precision 3": (NO_PATH, {"precision": 3}),
    "precision -1": (NO_PATH, {"precision": -1}),
    "int8": (NO_PATH, {"precision": 2}),
    "no inputs": (BAD_MODEL, {"inputs": 0}),
    "odd inputs": (BAD_MODEL, {"inputs": 63}),
    "outputs no multiple of 64": (BAD_MODEL, {"outputs": 7}),
    "no weights": (BAD_MODEL, {"weights": None}),
    "no bias": (BAD_MODEL, {"bias": None}),
    "activation 5": (BAD_MODEL, {"activation": 5}),
    "activation -1": (BAD_MODEL, {"activation": -1}),
    "no rows": (BAD_TEXTS, {"rows": 0}),
    "fewer than no rows": (BAD_TEXTS, {"rows": -1}),
    "no numbers": (BAD_TEXTS, {"numbers": None}),
    "nowhere to": (BAD_TEXTS, {"out": None}),
    "no scratch": (SMALL_SCRATCH, {"scratch": None}),
    "a byte of scratch missing": (SMALL_SCRATCH, {"scratch_bytes": 2 * 64 * 4 - 1}),
}


@pytest.mark.parametrize(("code", "changes"), CALLS.values(), ids=CALLS)
def test_an_unsound_dense_layer_is_refused(small: SmallModel, code: int, changes: dict[str, int | None]) -> None:
    linear = small.weights("float32").dense[0][0]
    numbers, scratch, out = (np.zeros((2, 64), np.float32) for _ in range(3))
    given: dict[str, int | None] = {"path": 0, "activation": 0, "numbers": numbers.ctypes.data}
    given |= {"rows": 2, "scratch": scratch.ctypes.data, "scratch_bytes": scratch.nbytes, "out": out.ctypes.data}
    for name, value in changes.items():
        if name in given:
            given[name] = value
        else:
            setattr(linear, name, value)
    path, *rest = given.values()
    assert library.load().bert_dense(path, byref(linear), *rest) == code
