"""How a BERT checkpoint's tensors lie in the packed file: which, in what order, and in what shape.

README.md beside this draws a panel. numpy and safetensors alone: the packed file is made without torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

LAYOUT = 1
"""Raised with every change of what a packed file holds."""
COLUMNS = 16
"""Output columns of a panel; BERT_COLUMNS in kernel/bert.h."""
OUTPUT_MULTIPLE = 64
"""Outputs are padded with columns of zeros to a multiple of this: the widest tile's columns."""

QKV = ("query", "key", "value")

Read = Callable[[str], np.ndarray]
"""A tensor of the source by its name, as float32."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of the packed file and how it is made."""

    name: str
    dtype: str
    """"F32" or "BF16", as safetensors names them."""
    shape: tuple[int, ...]
    make: Callable[[Read], np.ndarray]

    @property
    def byte_count(self) -> int:
        """Its size in the file; always a multiple of 64."""
        return int(np.prod(self.shape)) * (4 if self.dtype == "F32" else 2)


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


def tensors(shape: Shape, precision: str, prefix: str, dense: tuple[Dense, ...] = ()) -> Iterator[Tensor]:
    """The packed file's tensors in its order: the small ones, the word table, then the panels as they are executed."""
    hidden = shape.hidden
    yield _table("position", prefix + "embeddings.position_embeddings.weight", (shape.positions, hidden), "float32")
    yield _table("type", prefix + "embeddings.token_type_embeddings.weight", (shape.types, hidden), "float32")
    yield from _norm("embedded", prefix + "embeddings.LayerNorm", hidden)
    for layer in range(shape.layers):
        yield from _small(f"{layer}", f"{prefix}encoder.layer.{layer}.", shape)
    for index, module in enumerate(dense):
        yield _bias(f"dense.{index}", [module.bias] if module.bias else [], module.outputs)
    yield _table("words", prefix + "embeddings.word_embeddings.weight", (shape.vocabulary, hidden), precision)
    for layer in range(shape.layers):
        yield from _panels_of_layer(f"{layer}", f"{prefix}encoder.layer.{layer}.", shape, precision)
    for index, module in enumerate(dense):
        yield _panels(f"dense.{index}", [module.weight], module.inputs, module.outputs, precision)


def padded(outputs: int) -> int:
    """So many outputs, with the zeros that are added."""
    return -(-outputs // OUTPUT_MULTIPLE) * OUTPUT_MULTIPLE


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """float32 to the nearest bfloat16, ties to even, as its 16 bits: uint16 of the same shape. NaN stays NaN."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16
    return np.where(np.isnan(values), (bits >> 16) | 0x40, rounded).astype(np.uint16)


def to_panels(weight: np.ndarray, precision: str) -> np.ndarray:
    """A weight matrix (outputs, inputs) as panels (outputs / 16, inputs / step, 16, step).

    A panel holds 16 outputs; a step is one input in float32 and a pair of them in bfloat16, so that each step of a
    panel is one cache line. Missing outputs are zeros.
    """
    outputs, inputs = weight.shape
    step = 1 if precision == "float32" else 2
    whole = np.zeros((padded(outputs), inputs), np.float32)
    whole[:outputs] = weight
    panels = whole.reshape(-1, COLUMNS, inputs // step, step).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(panels) if precision == "float32" else to_bfloat16(np.ascontiguousarray(panels))


def _small(name: str, source: str, shape: Shape) -> Iterator[Tensor]:
    hidden = shape.hidden
    yield _bias(f"{name}.qkv", [f"{source}attention.self.{part}.bias" for part in QKV], 3 * hidden)
    yield _bias(f"{name}.project", [source + "attention.output.dense.bias"], hidden)
    yield from _norm(f"{name}.attended", source + "attention.output.LayerNorm", hidden)
    yield _bias(f"{name}.feed_up", [source + "intermediate.dense.bias"], shape.inner)
    yield _bias(f"{name}.feed_down", [source + "output.dense.bias"], hidden)
    yield from _norm(f"{name}.fed", source + "output.LayerNorm", hidden)


def _panels_of_layer(name: str, source: str, shape: Shape, precision: str) -> Iterator[Tensor]:
    hidden, inner = shape.hidden, shape.inner
    attention = [f"{source}attention.self.{part}.weight" for part in QKV]
    yield _panels(f"{name}.qkv", attention, hidden, 3 * hidden, precision)
    yield _panels(f"{name}.project", [source + "attention.output.dense.weight"], hidden, hidden, precision)
    yield _panels(f"{name}.feed_up", [source + "intermediate.dense.weight"], hidden, inner, precision)
    yield _panels(f"{name}.feed_down", [source + "output.dense.weight"], inner, hidden, precision)


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
    step = 1 if precision == "float32" else 2
    return Tensor(
        f"{name}.panels",
        "F32" if precision == "float32" else "BF16",
        (padded(outputs) // COLUMNS, inputs // step, COLUMNS, step),
        lambda read: to_panels(np.concatenate([read(source) for source in sources]), precision),
    )
