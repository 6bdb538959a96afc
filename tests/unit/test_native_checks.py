"""What must not come from Python does not become a wild read in C either: the kernel refuses it with a code."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import byref
from dataclasses import dataclass, replace

import numpy as np
import pytest

from app.encoder.native import layout, library
from app.encoder.native.forward import Forward
from app.encoder.native.matrix import SCALES
from app.encoder.native.structs import Weights
from tests.native_models import SmallModel, own_code, small_model

LARGEST = 2**31 - 1
OK, NO_PATH, BAD_MODEL, BAD_TEXTS, BAD_POOLING, SMALL_SCRATCH = range(len(library.ERRORS))


@dataclass
class Call:
    """One call of bert_encode, sound until a test spoils it."""

    weights: Weights
    path: int
    ids: np.ndarray
    types: np.ndarray
    starts: np.ndarray
    poolings: np.ndarray
    scratch: np.ndarray
    out: np.ndarray
    count: int = 2
    pooling_count: int = 1

    def run(self, watch: library.Watch | None = None) -> int:
        arrays = (self.ids, self.types, self.starts)
        texts = library.Texts(*(array.ctypes.data if array.size else None for array in arrays), self.count)
        code: int = library.load().bert_encode(
            self.path,
            byref(self.weights.model),
            byref(texts),
            self.poolings.ctypes.data if self.poolings.size else None,
            self.pooling_count,
            self.scratch.ctypes.data,
            self.scratch.nbytes,
            self.out.ctypes.data,
            byref(watch) if watch else None,
        )
        return code


def scratch_bytes(model: library.Model, tokens: int, longest: int, path: int = 0) -> int:
    return int(library.load().bert_scratch_bytes(path, byref(model), tokens, longest))


@pytest.fixture(scope="module")
def small() -> SmallModel:
    return small_model(positions=32)


@pytest.fixture(params=own_code("float32"))
def call(request: pytest.FixtureRequest, small: SmallModel) -> Call:
    """Two texts, of 3 and of 4 tokens, and not a byte of scratch more than they need."""
    weights, texts = small.weights("float32"), small.texts([3, 4])
    path = library.paths()[request.param]
    scratch = library.aligned(scratch_bytes(weights.model, 7, 4, path))
    poolings, out = np.zeros(1, np.int32), np.empty((2, 64), np.float32)
    return Call(weights, path, texts.ids, texts.types, texts.starts, poolings, scratch, out)


def test_a_sound_call(call: Call) -> None:
    assert call.run() == OK


def put(name: str, index: int, value: int) -> Callable[[Call], None]:
    return lambda call: getattr(call, name).__setitem__(index, value)


def give(**changes: object) -> Callable[[Call], None]:
    def change(call: Call) -> None:
        for name, value in changes.items():
            setattr(call, name, value)

    return change


def starts(*values: int) -> Callable[[Call], None]:
    return give(starts=np.array(values, np.int32), count=len(values) - 1)


NOTHING = np.empty(0, np.int32)
CALLS: dict[str, tuple[int, Callable[[Call], None]]] = {
    "path -1": (NO_PATH, give(path=-1)),
    "path 99": (NO_PATH, give(path=99)),
    "an id past the words": (BAD_TEXTS, put("ids", 6, 97)),
    "the largest id": (BAD_TEXTS, put("ids", 0, LARGEST)),
    "a negative id": (BAD_TEXTS, put("ids", 3, -1)),
    "a type past the types": (BAD_TEXTS, put("types", 6, 2)),
    "a negative type": (BAD_TEXTS, put("types", 0, -1)),
    "no ids": (BAD_TEXTS, give(ids=NOTHING)),
    "no types": (BAD_TEXTS, give(types=NOTHING)),
    "no starts": (BAD_TEXTS, give(starts=NOTHING)),
    "no texts": (BAD_TEXTS, give(count=0)),
    "fewer than no texts": (BAD_TEXTS, give(count=-1)),
    "an empty text": (BAD_TEXTS, starts(0, 0, 7)),
    "an empty last text": (BAD_TEXTS, starts(0, 7, 7)),
    "a text that runs backwards": (BAD_TEXTS, starts(0, 7, 4)),
    "a first text that begins late": (BAD_TEXTS, starts(1, 4, 7)),
    "a first text that begins early": (BAD_TEXTS, starts(-1, 4, 7)),
    "a text longer than the positions": (BAD_TEXTS, starts(0, 33)),
    "a text of the largest length": (BAD_TEXTS, starts(0, LARGEST)),
    "starts that overflow": (BAD_TEXTS, starts(0, 7, -LARGEST - 1)),
    "pooling 4": (BAD_POOLING, put("poolings", 0, 4)),
    "pooling -1": (BAD_POOLING, put("poolings", 0, -1)),
    "fewer than no poolings": (BAD_POOLING, give(pooling_count=-1)),
    "nine poolings": (BAD_POOLING, give(pooling_count=9, poolings=np.zeros(9, np.int32))),
    "no poolings though one is promised": (BAD_POOLING, give(poolings=NOTHING)),
    "a byte of scratch missing": (SMALL_SCRATCH, lambda call: give(scratch=call.scratch[:-1])(call)),
    "no scratch": (SMALL_SCRATCH, lambda call: give(scratch=call.scratch[:0])(call)),
    "scratch in the middle of a line": (
        SMALL_SCRATCH,
        lambda call: give(scratch=library.aligned(call.scratch.nbytes + 4)[4:])(call),
    ),
}


@pytest.mark.parametrize(("code", "spoil"), CALLS.values(), ids=CALLS)
def test_an_unsound_call_is_refused(call: Call, code: int, spoil: Callable[[Call], None]) -> None:
    call.out.fill(7)
    spoil(call)
    assert call.run() == code
    assert (call.out == 7).all()


MODELS: dict[str, dict[str, int | None]] = {
    "no layers": {"layers": 0},
    "hidden 0": {"hidden": 0},
    "hidden negative": {"hidden": -64},
    "hidden of another layer": {"hidden": 128},
    "hidden no multiple of 64": {"hidden": 96},
    "hidden so large that it overflows": {"hidden": 1 << 30},
    "no heads": {"heads": 0},
    "heads negative": {"heads": -4},
    "heads of 8 columns": {"heads": 8},
    "heads so many that 16 times as many are 0": {"heads": 1 << 28},
    "the most heads": {"heads": LARGEST},
    "inner of another layer": {"inner": 192},
    "inner 0": {"inner": 0},
    "inner so large that it overflows": {"inner": 1 << 30},
    "no words": {"vocabulary": 0},
    "no types": {"types": 0},
    "no positions": {"positions": 0},
    "pad_id past the positions": {"pad_id": 32},
    "pad_id below -1": {"pad_id": -2},
    "the largest pad_id": {"pad_id": LARGEST},
    "activation -1": {"activation": -1},
    "activation 5": {"activation": 5},
    "no word table": {"words": None},
    "no position table": {"position": None},
    "no type table": {"type": None},
}


@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)
def test_an_unsound_model_is_refused(call: Call, changes: dict[str, int | None]) -> None:
    for name, value in changes.items():
        setattr(call.weights.model, name, value)
    assert call.run() == BAD_MODEL
    assert scratch_bytes(call.weights.model, 7, 4, call.path) == 0


@pytest.mark.parametrize("linear", ["qkv", "project", "feed_up", "feed_down"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("inputs", 0),
        ("inputs", 63),
        ("inputs", -64),
        ("inputs", LARGEST),
        ("outputs", 0),
        ("outputs", 100),
        ("outputs", LARGEST - 63),
        ("weights", None),
        ("bias", None),
    ],
)
def test_an_unsound_layer_is_refused(call: Call, linear: str, field: str, value: int | None) -> None:
    setattr(getattr(call.weights.model.layer[1], linear), field, value)
    assert call.run() == BAD_MODEL


@pytest.mark.parametrize("field", ["gain", "bias"])
def test_a_norm_without_numbers_is_refused(call: Call, field: str) -> None:
    setattr(call.weights.model.layer[0].fed, field, None)
    assert call.run() == BAD_MODEL


@pytest.mark.parametrize("precision", [-1, 3, LARGEST])
def test_an_unknown_precision_is_refused(call: Call, precision: int) -> None:
    call.weights.model.layer[0].qkv.precision = precision
    assert call.run() == NO_PATH
    assert scratch_bytes(call.weights.model, 7, 4, call.path) == 0


@pytest.mark.parametrize("precision", [-1, 1, 2, 3, LARGEST])
def test_words_of_another_precision_are_refused(call: Call, precision: int) -> None:
    call.weights.model.words_precision = precision
    assert call.run() == BAD_MODEL


@pytest.mark.parametrize("precision", [-1, 1, 2, 3, LARGEST])
def test_matrices_of_several_precisions_are_refused(call: Call, precision: int) -> None:
    call.weights.model.layer[1].feed_up.precision = precision
    assert call.run() == BAD_MODEL


@pytest.mark.parametrize("part", SCALES)
@pytest.mark.parametrize("linear", layout.MODULES)
def test_an_int8_matrix_without_its_scales_is_refused(call: Call, small: SmallModel, linear: str, part: str) -> None:
    weights = small.weights("int8")
    call = replace(call, weights=weights, scratch=library.aligned(scratch_bytes(weights.model, 7, 4, call.path)))
    assert call.run() == OK
    setattr(getattr(weights.model.layer[1], linear), part, None)
    assert call.run() == BAD_MODEL


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_inputs_are_shown_in_float32_alone(call: Call, small: SmallModel, precision: str) -> None:
    weights = small.weights(precision)
    watch = library.Watch(inputs=np.empty(1 << 16, np.float32).ctypes.data)
    call = replace(call, weights=weights, scratch=library.aligned(scratch_bytes(weights.model, 7, 4, call.path)))
    assert (call.run(), call.run(watch)) == (OK, NO_PATH)


@pytest.mark.parametrize("sizes", [(0, 0), (0, 1), (-1, -1), (3, 4), (-4, 4), (7, -1)])
def test_scratch_for_no_texts_is_none(small: SmallModel, sizes: tuple[int, int]) -> None:
    assert scratch_bytes(small.weights("float32").model, *sizes) == 0


def test_positions_after_the_padding_are_fewer() -> None:
    model = small_model(positions=8, pad_id=1)
    forward = Forward(model.weights("float32"), library.PLAIN, ("mean",), 10)
    for length, is_allowed in ((8, True), (9, False)):
        texts = model.texts([length])
        if is_allowed:
            forward.vectors(texts.ids, texts.types, texts.starts)
        else:
            with pytest.raises(RuntimeError, match="the kernel refused: unsound texts"):
                forward.vectors(texts.ids, texts.types, texts.starts)


def test_a_refusal_names_its_reason() -> None:
    library.check(OK)
    with pytest.raises(RuntimeError, match="the kernel refused: too little scratch"):
        library.check(SMALL_SCRATCH)
    with pytest.raises(RuntimeError, match="the kernel refused: 77"):
        library.check(77)


def test_without_a_pooling_there_are_no_vectors() -> None:
    """The kernel would take it as a call for states and write them where there is no room."""
    model = small_model(positions=32)
    forward = Forward(model.weights("float32"), "plain", (), 32)
    ids, starts = np.zeros(3, np.int32), np.array([0, 3], np.int32)
    for call in (forward.vectors, forward.inputs, forward.stage_seconds):
        with pytest.raises(ValueError, match="without a pooling there are no vectors"):
            call(ids, ids, starts)
    assert forward.states(ids, ids, starts).shape == (3, 64)
