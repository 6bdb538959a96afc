"""Calls with one or two fields that nobody sane would pass: refused with a code, or harmless, never a wild access."""

from __future__ import annotations

from ctypes import byref
from functools import cache
from typing import Any

import numpy as np

from app.encoder.native import library
from app.encoder.native.structs import Weights
from tests.fuzz.models import Apart
from tests.native_models import opened, small_model

ODD = (0, 1, 2, 3, 15, 16, 17, 63, 64, 65, 96, 128, 255, 256, 1 << 20, 1 << 28, 1 << 30, 2**31 - 64, 2**31 - 1)
# The kernel cannot know how much there is; a number that promises less than there is, or none, it must bear.
PROMISES = {"layers": 2, "vocabulary": 97, "positions": 33, "types": 2}
TOKENS, LARGEST_POOLINGS, CALLS = 24, 9, 20


@cache
def weights_of(precision: str, pad_id: int) -> tuple[Any, ...]:
    """A model's file and its architecture, which stay as they are."""
    model = small_model(positions=32 - pad_id, pad_id=pad_id)
    return opened(model, precision, Apart), model.architecture, precision


def run(random: np.random.Generator) -> None:
    """Many calls, for each is quick."""
    for _ in range(CALLS):
        weights = Weights(*weights_of(str(random.choice(library.PRECISIONS)), int(random.choice([-1, 0]))))
        path = int(random.choice(list(library.paths().values())))
        if random.random() < 0.2:
            spoiled_dense(random, path, weights)
        else:
            for _ in range(int(random.integers(0, 3))):
                spoil_model(random, weights.model)
            encode(random, path, weights.model)


def odd(random: np.random.Generator) -> int:
    value = int(random.choice(ODD))
    return -value if random.random() < 0.3 else value


def spoil_model(random: np.random.Generator, model: library.Model) -> None:
    if random.random() < 0.3:
        linear = getattr(model.layer[int(random.integers(2))], str(random.choice(["qkv", "project", "feed_up"])))
        spoil_linear(random, linear)
        return
    name = str(
        random.choice([field[0] for field in model._fields_ if field[0] not in {"embedded", "layer", "epsilon"}])
    )
    if name in {"words", "position", "type"}:
        setattr(model, name, None)
    elif name in PROMISES:
        setattr(model, name, min(odd(random), PROMISES[name]))
    elif name == "words_precision":  # bfloat16 read as float would be twice as much: a promise, too
        model.words_precision = odd(random) or model.words_precision
    else:
        setattr(model, name, odd(random))


def spoil_linear(random: np.random.Generator, linear: library.Linear) -> None:
    """Another precision only where that promises less: int8 where it was not has no scales, and is refused."""
    name = str(random.choice([field[0] for field in linear._fields_]))
    value = int(random.choice([-1, 2, 3, odd(random)])) if name == "precision" else odd(random)
    setattr(linear, name, value if name in {"inputs", "outputs", "precision"} else None)


def encode(random: np.random.Generator, path: int, model: library.Model) -> None:
    """`ids` has TOKENS: a larger last start is only given where it is past what the kernel takes at all."""
    ids, types = (random.integers(0, most, TOKENS, np.int32) for most in (97, 2))
    starts = np.sort(random.choice(np.arange(1, TOKENS), int(random.integers(0, 6)), replace=False)).astype(np.int32)
    starts = np.concatenate([[0], starts, [TOKENS]]).astype(np.int32)
    poolings = random.integers(0, 4, LARGEST_POOLINGS, np.int32)
    for array in (ids, types, starts, poolings):
        if random.random() < 0.15:
            value = odd(random)
            is_promise = array is starts and TOKENS < value <= 1 << 20
            array[random.integers(len(array))] = TOKENS if is_promise else value
    count = len(starts) - 1 if random.random() < 0.9 else int(random.integers(-2, len(starts)))
    scratch = scratch_for(random, path, model)
    out = np.empty(max(TOKENS, count * LARGEST_POOLINGS) * 64, np.float32)
    texts = library.Texts(
        *(array.ctypes.data if random.random() < 0.98 else None for array in (ids, types, starts)), count
    )
    code = library.load().bert_encode(
        path if random.random() < 0.95 else odd(random),
        byref(model),
        byref(texts),
        poolings.ctypes.data if random.random() < 0.98 else None,
        int(random.choice([0, 1, 2, LARGEST_POOLINGS - 1, LARGEST_POOLINGS, odd(random)])),
        scratch.ctypes.data if random.random() < 0.98 else None,
        scratch.nbytes,
        out.ctypes.data if random.random() < 0.98 else None,
        None,
    )
    assert 0 <= code < len(library.ERRORS), f"the kernel gave {code}"


def scratch_for(random: np.random.Generator, path: int, model: library.Model) -> np.ndarray:
    """Just enough, or a little less, or not aligned."""
    tokens, longest = (TOKENS, TOKENS) if random.random() < 0.8 else (odd(random), odd(random))
    size = int(library.load().bert_scratch_bytes(path, byref(model), tokens, longest))
    scratch = library.aligned(min(size, 1 << 24) + 4)
    begin = 4 if random.random() < 0.05 else 0
    return scratch[begin : begin + min(size, 1 << 24) - int(random.choice([0, 0, 0, 1, 64]))]


def spoiled_dense(random: np.random.Generator, path: int, weights: Weights) -> None:
    """A projection of the model as a Dense layer; fewer inputs or outputs than it has are harmless."""
    linear, rows = weights.model.layer[0].project, int(random.integers(-1, 12))
    if random.random() < 0.5:
        spoil_linear(random, linear)
    if max(linear.inputs, linear.outputs) <= 1 << 16:  # else it is refused
        linear.inputs, linear.outputs = min(linear.inputs, 64), min(linear.outputs, 64)
    numbers = np.zeros((max(rows, 1), 64), np.float32)
    needed = library.load().bert_dense_scratch_bytes(path, byref(linear), rows)
    scratch, out = library.aligned(max(int(needed) - int(random.choice([0, 0, 1])), 1)), np.empty_like(numbers)
    code = library.load().bert_dense(
        path,
        byref(linear),
        int(random.choice([0, 1, 2, 3, 4, odd(random)])),
        *(numbers.ctypes.data if random.random() < 0.98 else None, rows),
        *(scratch.ctypes.data if random.random() < 0.98 else None, scratch.nbytes),
        out.ctypes.data if random.random() < 0.98 else None,
    )
    assert 0 <= code < len(library.ERRORS), f"the kernel gave {code}"
