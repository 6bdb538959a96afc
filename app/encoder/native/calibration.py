"""A checkpoint's matrices in int8: rounded so that the inputs that they meet in real texts come out nearly the same.

The texts are our own (calibration.txt: short and long, many languages, code); our own float32 path says what goes into
each matrix for them. No torch: numpy and the kernel alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from . import layout, library, quantisation
from .architecture import Architecture
from .forward import Forward, LaidOut
from .layout import Read
from .matrix import CannotQuantiseError, Matrix
from .quantisation import Inputs
from .structs import Weights

TEXTS = Path(__file__).with_name("calibration.txt")
LEAST_COSINE = 0.999
"""Between a text's vector in int8 and in float32: below it for any text, the model is refused."""
SQUARES_BYTES = 1 << 30
"""Of Gram matrices at once; a model that has more goes through the texts once more."""


class Tell(Protocol):
    """Hears what is done now and what part of that was done before: `waiting.Progress`."""

    def __call__(self, *, step: str, done: str) -> None:
        """Called often."""


def texts() -> list[str]:
    """The project's texts."""
    return TEXTS.read_text(encoding="utf-8").splitlines()


class QuantisedSource:
    """A source and its matrices in int8; see `matrix.Quantised`."""

    def __init__(self, read: Read, matrices: dict[str, Matrix]) -> None:
        self._read = read
        self._matrices = matrices

    def __call__(self, name: str) -> np.ndarray:
        """A tensor by its name, as float32."""
        return self._read(name)

    def matrix(self, name: str) -> Matrix:
        """A matrix by its name in the packed file."""
        return self._matrices[name]


class _Made:
    """A packed file's tensors in memory; see `tensorfile.Tensors`."""

    def __init__(self, tensors: Iterator[layout.Tensor], read: object) -> None:
        self._arrays = {tensor.name: tensor.make(read) for tensor in tensors}

    def raw(self, name: str) -> np.ndarray:
        return self._arrays[name]


def quantise(
    read: Read, architecture: Architecture, calls: Sequence[LaidOut], tell: Tell, least_cosine: float = LEAST_COSINE
) -> QuantisedSource:
    """All matrices of a model in int8. `calls`: the texts' tokens, as `Forward.vectors` takes them.

    Raises CannotQuantiseError if a text's vector comes out farther from float32's than `least_cosine`.
    """
    architecture = replace(architecture, dense=())
    exact = _Model(read, architecture, "float32", _float32_path(), calls)
    matrices: dict[str, Matrix] = {}
    vectors = np.empty(0)
    for layers in _groups(architecture.shape):
        inputs, vectors = exact.inputs(layers, tell)
        for name in list(inputs):
            tell(step="matrices are rounded", done=f"{len(matrices) / (4 * architecture.shape.layers):.0%}")
            matrices[name] = _rounded(read, name, inputs.pop(name))
    source = QuantisedSource(read, matrices)
    found = _Model(source, architecture, "int8", _int8_path(), calls).vectors()
    _check(found, vectors, least_cosine)
    return source


class _Model:
    """A model in memory on one path, and the texts."""

    def __init__(
        self, read: object, architecture: Architecture, precision: str, isa: str, calls: Sequence[LaidOut]
    ) -> None:
        shape = architecture.shape
        self._weights = Weights(_Made(layout.tensors(shape, precision), read), architecture, precision)
        longest = max(int(np.diff(starts).max()) for _, _, starts in calls)
        self._forward = Forward(self._weights, isa, architecture.poolings, longest)
        self._calls = calls

    def vectors(self) -> np.ndarray:
        return np.concatenate([self._forward.vectors(*call) for call in self._calls])

    def inputs(self, layers: range, tell: Tell) -> tuple[dict[str, Inputs], np.ndarray]:
        """What goes into these layers' matrices, and what comes out after the last of them."""
        found: dict[str, Inputs] = {}
        vectors = []
        self._weights.model.layers = layers.stop
        for index, call in enumerate(self._calls):
            tell(step=f"texts go through {layers.stop} layers", done=f"{index / len(self._calls):.0%}")
            inputs, pooled = self._forward.inputs(*call)
            vectors.append(pooled)
            for layer in layers:
                for kind, rows in zip(layout.MODULES, inputs[layer], strict=True):
                    name, more = f"{layer}.{kind}", Inputs.of(rows)
                    if name in found:
                        found[name].add(more)
                    else:
                        found[name] = more
        return found, np.concatenate(vectors)


def _groups(shape: layout.Shape) -> Iterator[range]:
    """Layers whose Gram matrices have room together."""
    layer_bytes = sum(8 * inputs**2 for _, inputs, _ in layout.sides(shape))
    at_once = max(1, SQUARES_BYTES // layer_bytes)
    for first in range(0, shape.layers, at_once):
        yield range(first, min(first + at_once, shape.layers))


def _rounded(read: Read, name: str, inputs: Inputs) -> Matrix:
    weight, bias = (
        np.concatenate([read(source) for source in layout.source_of(name, part)]) for part in ("weight", "bias")
    )
    if weight.shape[1] > quantisation.MOST_INPUTS:
        raise CannotQuantiseError(
            f"{name} has {weight.shape[1]} inputs, at most {quantisation.MOST_INPUTS} can be rounded"
        )
    try:
        return quantisation.quantised(weight, bias, inputs)
    except ArithmeticError as error:
        raise CannotQuantiseError(f"{name}: {error}") from None


def _check(found: np.ndarray, exact: np.ndarray, least_cosine: float) -> None:
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(exact, axis=1)
    least = float(((found * exact).sum(axis=1) / lengths).min())
    if not least >= least_cosine:
        raise CannotQuantiseError(
            f"a text's vector keeps a cosine of {least:.5f} to its float32 vector, {least_cosine} is needed"
        )


def _float32_path() -> str:
    """One of those that make the same bits: AVX2's and AVX-512's."""
    found = [name for name in library.paths() if library.same_code(name, "float32") != library.PLAIN]
    if not found:
        raise CannotQuantiseError("packing needs a processor with AVX2")
    return found[-1]


def _int8_path() -> str:
    return [name for name in library.paths() if library.same_code(name, "int8") == name][-1]
