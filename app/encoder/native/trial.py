"""How fast each path is on this processor: timed on layers of a model's shapes with made weights.

In the thread's CPU time, the best of alternating runs, so that neighbours do not decide; short texts and long ones,
since a path's strength may be either.
"""

from __future__ import annotations

import math
import mmap
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from . import library
from .forward import Forward
from .layout import Dense, Shape, sides

TOKENS = (22, 128)
# Raised with every change of what is timed: older records then count no more.
VERSION = 2
# CPU that a trial may take of a start (on a busy machine it takes longer); of it, the share that short texts get.
BUDGET_S = 0.2
SHORT_SHARE = 0.3
# The first round of each length is also the one in which memory is touched first.
LEAST_ROUNDS, MOST_ROUNDS = 2, 12
OUT_OF_REACH = 1.5
ELEMENT_BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}
# Weights that leave the second cache of every processor at hand (2 MB at most) …
LEAST_BYTES = 4 << 20
# … in layers of at most this width: wider ones are bound by the same things and would take too long.
WIDEST = 512


class Candidate(NamedTuple):
    """A path in a precision."""

    isa: str
    precision: str


Times = dict[Candidate, tuple[float, ...]]
"""Seconds of CPU for each of TOKENS."""


def measure(shape: Shape, activation: str, candidates: Iterable[Candidate]) -> Times:
    """Time the candidates, in a quarter of a second whatever the model; the made weights are given back."""
    made = _MadeModel(trial_shape(shape), activation)
    arms = {one: Forward(made.weights(one.precision), one.isa, (), max(TOKENS)) for one in candidates}
    best = {one: [math.inf] * len(TOKENS) for one in arms}
    began = time.thread_time()
    for place, until_s in enumerate((BUDGET_S * SHORT_SHARE, BUDGET_S)):
        for round_ in range(MOST_ROUNDS):
            if round_ >= LEAST_ROUNDS and time.thread_time() - began > until_s:
                break
            for one in list(arms) if round_ < LEAST_ROUNDS else _in_the_running(best, place):
                best[one][place] = min(best[one][place], _cpu_seconds(arms[one], TOKENS[place]))
    return {one: tuple(seconds) for one, seconds in best.items()}


def _in_the_running(best: Mapping[Candidate, Sequence[float]], place: int) -> list[Candidate]:
    """Those that may still be the fastest of their precision: the rounds that are left are theirs."""
    least = {one.precision: math.inf for one in best}
    for one, seconds in best.items():
        least[one.precision] = min(least[one.precision], seconds[place])
    return [one for one, seconds in best.items() if seconds[place] <= OUT_OF_REACH * least[one.precision]]


def trial_shape(shape: Shape) -> Shape:
    """The model's layers, or narrower ones of the same kind; as few as leave the second cache, none too many."""
    head, step = shape.hidden // shape.heads, math.lcm(shape.hidden // shape.heads, 64)
    hidden = min(shape.hidden, max(step, WIDEST // step * step))
    inner = min(4 * hidden, max(64, round(shape.inner * hidden / shape.hidden / 64) * 64))
    layer_bytes = 2 * hidden * (4 * hidden + 2 * inner)
    layers = min(shape.layers, -(-LEAST_BYTES // layer_bytes))
    return replace(
        shape,
        hidden=hidden,
        inner=inner,
        heads=hidden // head,
        layers=layers,
        vocabulary=1,
        positions=max(TOKENS),
        types=1,
    )


def _cpu_seconds(forward: Forward, tokens: int) -> float:
    ids, starts = np.zeros(tokens, np.int32), np.array([0, tokens], np.int32)
    began = time.thread_time()
    forward.states(ids, ids, starts)
    return time.thread_time() - began


class _MadeModel:
    """Layers whose weights all lie in one block; its numbers are ordinary ones in either precision."""

    def __init__(self, shape: Shape, activation: str) -> None:
        self._shape, self._activation = shape, activation
        per_layer = 4 * shape.hidden**2 + 2 * shape.hidden * shape.inner
        self._block = mmap.mmap(-1, 4 * (shape.layers * per_layer + shape.positions * max(shape.hidden, shape.inner)))
        pattern = _pattern()
        for start in range(0, len(self._block), len(pattern)):
            part = pattern[: len(self._block) - start]
            self._block[start : start + len(part)] = part
        self._address = np.frombuffer(self._block, np.uint8).ctypes.data
        self._small = np.ones(3 * max(shape.hidden, shape.inner), np.float32)

    def weights(self, precision: str) -> MadeWeights:
        """The block as a model in this precision."""
        return MadeWeights(self, precision)

    def model(self, precision: str) -> library.Model:
        """The kernel's struct; it points into this object's memory."""
        shape, small = self._shape, self._small.ctypes.data
        norm = library.Norm(small, small)
        return library.Model(
            words_precision=library.PRECISIONS.index("bfloat16" if precision == "int8" else precision),
            activation=library.ACTIVATIONS.index(self._activation),
            layers=shape.layers,
            hidden=shape.hidden,
            inner=shape.inner,
            heads=shape.heads,
            vocabulary=1,
            positions=shape.positions,
            types=1,
            pad_id=-1,
            epsilon=1e-12,
            words=self._address,
            position=self._address,
            type=small,
            embedded=norm,
            layer=self._layers(precision, norm),
        )

    def _layers(self, precision: str, norm: library.Norm) -> object:
        shape, place, small = self._shape, self._address, self._small.ctypes.data
        kind, element_bytes = library.PRECISIONS.index(precision), ELEMENT_BYTES[precision]

        def linear(inputs: int, outputs: int) -> library.Linear:
            nonlocal place
            place += inputs * outputs * element_bytes
            start = place - inputs * outputs * element_bytes
            return library.Linear(start, *[small] * 5, inputs, outputs, kind)

        return (library.Layer * shape.layers)(
            *(
                library.Layer(
                    attended=norm,
                    fed=norm,
                    **{name: linear(inputs, outputs) for name, inputs, outputs in sides(shape)},
                )
                for _ in range(shape.layers)
            )
        )


def _pattern() -> bytes:
    """bfloat16 between 0.008 and 0.06 of either sign, in no order; each pair of them is a float32 of that kind, too.

    Without numpy.random, whose import alone would stay in the master's memory.
    """
    place = np.arange(1 << 15, dtype=np.uint32)
    size, sign = 0x3C00 + place * 40503 % 0x180, place * 2654435761 >> 31 << 15
    return (size | sign).astype(np.uint16).tobytes()


class MadeWeights:
    """As `weights.Weights`, for `Forward`."""

    def __init__(self, made: _MadeModel, precision: str) -> None:
        self._made = made
        self.model = made.model(precision)
        self.dense: list[tuple[library.Linear, Dense]] = []
