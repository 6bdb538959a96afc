"""How a BERT checkpoint's tensors lie in the packed file: which, in what order, and in what shape.

README.md beside this draws a panel. numpy and safetensors alone: the packed file is made without torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .matrix import SCALES

LAYOUT = 2
"""Raised with every change of what a packed file holds."""
COLUMNS = 16
"""Output columns of a panel; BERT_COLUMNS in kernel/bert.h."""
OUTPUT_MULTIPLE = 64
STEPS = {"F32": 1, "BF16": 2, "I8": 4}
"""Inputs of a column that lie together: a panel's step is always one cache line."""
ELEMENT_BYTES = {"F32": 4, "BF16": 2, "I8": 1}
"""Outputs are padded with columns of zeros to a multiple of this: the widest tile's columns."""

QKV = ("query", "key", "value")
MODULES = {
    "qkv": [f"attention.self.{part}" for part in QKV],
    "project": ["attention.output.dense"],
    "feed_up": ["intermediate.dense"],
    "feed_down": ["output.dense"],
}
"""Of a layer's matrices, what the checkpoint calls the modules that they are made of."""

Read = Callable[[str], np.ndarray]
"""A tensor of the source by its name, as float32. A `Quantised` knows int8 matrices beside."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of the packed file and how it is made."""

    name: str
    dtype: str
    """"F32", "BF16" or "I8", as safetensors names them."""
    shape: tuple[int, ...]
    make: Callable[[Any], np.ndarray]
    """Of a `Read`, or of a `Quantised` if the precision is int8."""

    @property
    def byte_count(self) -> int:
        """Its size in the file; always a multiple of 64."""
        return int(np.prod(self.shape)) * ELEMENT_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class Shape:
    """What config.json promises."""

    hidden: int
    inner: int
    layers: int
    heads: int
    vocabulary: int
    positions: int
    types: int


@dataclass(frozen=True, slots=True)
class Dense:
    """A Dense module after pooling: the names of its tensors, its sizes, its activation."""

    weight: str
    bias: str | None
    inputs: int
    outputs: int
    activation: str


def tensors(shape: Shape, precision: str, dense: tuple[Dense, ...] = ()) -> Iterator[Tensor]:
    """The packed file's tensors in its order: the small ones, the word table, then the panels as they are executed.

    In int8 the word table and Dense modules are bfloat16.
    """
    hidden, wide = shape.hidden, "bfloat16" if precision == "int8" else precision
    yield _table("position", "embeddings.position_embeddings.weight", (shape.positions, hidden), "float32")
    yield _table("type", "embeddings.token_type_embeddings.weight", (shape.types, hidden), "float32")
    yield from _norm("embedded", "embeddings.LayerNorm", hidden)
    for layer in range(shape.layers):
        yield from _small(f"{layer}", shape, precision)
    for index, module in enumerate(dense):
        yield _bias(f"dense.{index}", [module.bias] if module.bias else [], module.outputs)
    yield _table("words", "embeddings.word_embeddings.weight", (shape.vocabulary, hidden), wide)
    for layer in range(shape.layers):
        yield from _panels_of_layer(f"{layer}", shape, precision)
    for index, module in enumerate(dense):
        yield _panels(f"dense.{index}", [module.weight], module.inputs, module.outputs, wide)


def padded(outputs: int) -> int:
    """So many outputs, with the zeros that are added."""
    return -(-outputs // OUTPUT_MULTIPLE) * OUTPUT_MULTIPLE


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """float32 to the nearest bfloat16, ties to even, as its 16 bits: uint16 of the same shape. NaN stays NaN."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16
    return np.where(np.isnan(values), (bits >> 16) | 0x40, rounded).astype(np.uint16)


def to_panels(weight: np.ndarray, dtype: str) -> np.ndarray:
    """A weight matrix (outputs, inputs) as panels (outputs / 16, inputs / step, 16, step); `dtype` as in `Tensor`.

    A panel holds 16 outputs; a step is one input in float32, a pair of them in bfloat16 and four in int8, so that each
    step of a panel is one cache line. Missing outputs are zeros.
    """
    outputs, inputs = weight.shape
    step = STEPS[dtype]
    whole = np.zeros((padded(outputs), inputs), weight.dtype)
    whole[:outputs] = weight
    panels = np.ascontiguousarray(whole.reshape(-1, COLUMNS, inputs // step, step).transpose(0, 2, 1, 3))
    return to_bfloat16(panels) if dtype == "BF16" else panels


def source_of(name: str, part: str) -> list[str]:
    """The checkpoint's tensors that a matrix of the packed file is made of ("weight"), or its bias, in their order."""
    layer, kind = name.split(".")
    at = f"encoder.layer.{layer}."
    return [f"{at}{module}.{part}" for module in MODULES[kind]]


def sides(shape: Shape) -> tuple[tuple[str, int, int], ...]:
    """A layer's matrices: kind, inputs, outputs."""
    hidden, inner = shape.hidden, shape.inner
    return (
        ("qkv", hidden, 3 * hidden),
        ("project", hidden, hidden),
        ("feed_up", hidden, inner),
        ("feed_down", inner, hidden),
    )


def _small(name: str, shape: Shape, precision: str) -> Iterator[Tensor]:
    source = f"encoder.layer.{name}."
    for kind, inputs, outputs in sides(shape):
        at = f"{name}.{kind}"
        if precision == "int8":
            yield _part(at, "bias", outputs)
            for part in SCALES:
                yield _part(at, part, outputs if part in ("scale", "sums") else inputs)
        else:
            yield _bias(at, source_of(at, "bias"), outputs)
        if kind == "project":
            yield from _norm(f"{name}.attended", source + "attention.output.LayerNorm", shape.hidden)
    yield from _norm(f"{name}.fed", source + "output.LayerNorm", shape.hidden)


def _part(name: str, part: str, size: int) -> Tensor:
    """Of a matrix in int8."""
    return Tensor(f"{name}.{part}", "F32", (size,), lambda read: getattr(read.matrix(name), part))


def _panels_of_layer(name: str, shape: Shape, precision: str) -> Iterator[Tensor]:
    for kind, inputs, outputs in sides(shape):
        at = f"{name}.{kind}"
        if precision == "int8":
            yield _quantised_panels(at, inputs, outputs)
        else:
            yield _panels(at, source_of(at, "weight"), inputs, outputs, precision)


def _table(name: str, source: str, shape: tuple[int, int], precision: str) -> Tensor:
    if precision == "float32":
        return Tensor(name, "F32", shape, lambda read: read(source))
    return Tensor(name, "BF16", shape, lambda read: to_bfloat16(read(source)))


def _norm(name: str, source: str, hidden: int) -> Iterator[Tensor]:
    yield Tensor(f"{name}.gain", "F32", (hidden,), lambda read: read(source + ".weight"))
    yield Tensor(f"{name}.bias", "F32", (hidden,), lambda read: read(source + ".bias"))


def _bias(name: str, sources: list[str], outputs: int) -> Tensor:
    def make(read: Read) -> np.ndarray:
        whole = np.zeros(padded(outputs), np.float32)
        if sources:
            whole[:outputs] = np.concatenate([read(source) for source in sources])
        return whole

    return Tensor(f"{name}.bias", "F32", (padded(outputs),), make)


def _panels(name: str, sources: list[str], inputs: int, outputs: int, precision: str) -> Tensor:
    dtype = "F32" if precision == "float32" else "BF16"
    return Tensor(
        f"{name}.panels",
        dtype,
        _panels_shape(inputs, outputs, dtype),
        lambda read: to_panels(np.concatenate([read(source) for source in sources]), dtype),
    )


def _quantised_panels(name: str, inputs: int, outputs: int) -> Tensor:
    shape = _panels_shape(inputs, outputs, "I8")
    return Tensor(f"{name}.panels", "I8", shape, lambda read: to_panels(read.matrix(name).values, "I8"))


def _panels_shape(inputs: int, outputs: int, dtype: str) -> tuple[int, ...]:
    return padded(outputs) // COLUMNS, inputs // STEPS[dtype], COLUMNS, STEPS[dtype]
