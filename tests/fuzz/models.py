"""Random models and texts: every path gives the plain one's vectors, and none reads or writes past a buffer."""

from __future__ import annotations

import numpy as np

from app.encoder.native import library
from app.encoder.native.forward import CALL_TOKENS, Forward
from app.encoder.native.layout import Dense
from app.encoder.native.structs import Weights
from app.encoder.native.tensorfile import TensorFile
from tests.native_models import SmallModel, Texts, bits, dense, forward_of, normalized, opened, plain_of, small_model

MOST_PRODUCTS = 5e6
LONGEST = 512


class Apart(TensorFile):
    """A tensor file whose tensors each lie in memory of their own, so that AddressSanitizer sees who reads past one."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._apart: dict[str, np.ndarray] = {}

    def raw(self, name: str) -> np.ndarray:
        return self._apart.setdefault(name, super().raw(name).copy())


def run(random: np.random.Generator) -> None:
    """One model, one precision, one call, on every path."""
    model, precision = random_model(random), str(random.choice(library.PRECISIONS))
    texts = random_texts(random, model)
    weights = Weights(opened(model, precision, Apart), model.architecture, precision)
    found = {isa: answers(forward_of(model, weights, isa), texts) for isa in library.paths()}
    if 0 in np.diff(texts.starts):
        assert all(answer is None for answer in found.values()), "an empty text was encoded"
        return
    for isa, answer in found.items():
        for here, plain in zip(answer or (), found[plain_of(isa, precision)] or (), strict=True):
            compare(here, plain, isa, precision)


def compare(here: np.ndarray, plain: np.ndarray, isa: str, precision: str) -> None:
    assert np.isfinite(plain).all(), f"{isa} {precision}: not finite"
    if precision != "float32":
        assert bits(here) == bits(plain), f"{isa}: other bits, by up to {np.abs(here - plain).max()}"
        return
    lengths = np.linalg.norm(plain, axis=-1)
    rows = lengths > 1e-3  # a short vector out of a Dense module is all rounding
    difference = np.abs(normalized(here[rows]) - normalized(plain[rows])).max(initial=0)
    assert difference < 5e-6, f"{isa}: differs by {difference}"


def answers(forward: Forward, texts: Texts) -> tuple[np.ndarray, np.ndarray] | None:
    """Vectors and states; None if the kernel refused."""
    laid_out = texts.ids, texts.types, texts.starts
    forward._spare.append(full_of_nan(forward._scratch_bytes))
    try:
        found = forward.vectors(*laid_out)
        forward._spare[0].fill(0xFF)
        return found, forward.states(*laid_out)
    except RuntimeError as error:
        assert "unsound texts" in str(error), error  # noqa: PT017 - any other refusal is a finding
        return None


def full_of_nan(byte_count: int) -> np.ndarray:
    """Scratch in which nothing that was not written first gives a number."""
    scratch = library.aligned(byte_count)
    scratch.fill(0xFF)
    return scratch


def random_model(random: np.random.Generator) -> SmallModel:
    hidden = 64 * int(random.choice([1, 1, 1, 2, 2, 3, 4, 5]))
    head = int(random.choice([width for width in range(16, 257, 16) if hidden % width == 0]))
    poolings = tuple(str(name) for name in random.choice(library.POOLINGS, int(random.integers(1, 5))))
    return small_model(
        hidden=hidden,
        head=head,
        inner=64 * int(random.integers(1, 6)),
        layers=int(random.integers(1, 4)),
        activation=str(random.choice(["gelu", "gelu_tanh", "relu"])),
        positions=int(random.choice([1, 8, 64, LONGEST])),
        types=int(random.integers(1, 3)),
        pad_id=int(random.choice([-1, -1, 0, 1, 5])),
        poolings=poolings,
        dense=random_dense(random, len(poolings) * hidden),
        seed=int(random.integers(1 << 30)),
    )


def random_dense(random: np.random.Generator, inputs: int) -> tuple[Dense, ...]:
    made: list[Dense] = []
    for index in range(int(random.choice([0, 0, 1, 2]))):
        outputs = int(random.integers(1, 200))
        activation = str(random.choice(library.ACTIVATIONS))
        made.append(dense(index, inputs, outputs, activation, bias=bool(random.integers(2))))
        if outputs % 2:
            break
        inputs = outputs
    return tuple(made)


def random_texts(random: np.random.Generator, model: SmallModel) -> Texts:
    """One to many texts that fit in one call and are not too much work; now and then an empty one among them."""
    shape = model.architecture.shape
    products = shape.layers * shape.hidden * (4 * shape.hidden + 2 * shape.inner + 2 * LONGEST)
    room = max(1, min(int(MOST_PRODUCTS / products), max(CALL_TOKENS, model.longest)))
    longest = int(random.choice([1, 3, 16, 64, LONGEST]))
    lengths: list[int] = []
    for _ in range(int(random.choice([1, 2, 5, CALL_TOKENS]))):
        lengths.append(min(int(random.integers(1, longest + 1)), room, model.longest))
        room -= lengths[-1]
        if room < 1:
            break
    if random.random() < 0.05:
        lengths[int(random.integers(len(lengths)))] = 0
    return model.texts(lengths, seed=int(random.integers(1 << 30)))
