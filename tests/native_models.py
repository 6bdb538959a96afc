"""Small random BERT models for the kernel, made of numpy arrays: no hub, no torch, no files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np

from app.encoder.native import layout, library, packed
from app.encoder.native.architecture import Architecture
from app.encoder.native.calibration import QuantisedSource
from app.encoder.native.forward import CALL_TOKENS, Forward
from app.encoder.native.layout import Dense, Shape
from app.encoder.native.matrix import Quantised
from app.encoder.native.quantisation import Inputs, quantised
from app.encoder.native.structs import Weights
from app.encoder.native.tensorfile import TensorFile

Source = dict[str, np.ndarray]
File = TypeVar("File", bound=TensorFile)


@dataclass(frozen=True)
class Texts:
    """Texts laid end to end, as the kernel takes them."""

    ids: np.ndarray
    types: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __iter__(self) -> Iterator[Texts]:
        for start, end in zip(self.starts, self.starts[1:], strict=False):
            yield Texts(self.ids[start:end], self.types[start:end], np.array([0, end - start], np.int32))


@dataclass(frozen=True)
class SmallModel:
    """An architecture and random weights for it, in the names that a checkpoint has."""

    architecture: Architecture
    source: Source

    @cached_property
    def longest(self) -> int:
        return self.architecture.shape.positions - (self.architecture.pad_id + 1)

    def contents(self, precision: str, sha256: str = "ab" * 32) -> packed.Contents:
        architecture = self.architecture
        tensors = layout.tensors(architecture.shape, precision, architecture.dense)
        return packed.Contents(sha256, precision, tuple(tensors))

    def read(self, precision: str) -> layout.Read | Quantised:
        """Its tensors, in int8 with the matrices quantised."""
        return self.quantised if precision == "int8" else self.source.__getitem__

    @cached_property
    def quantised(self) -> Quantised:
        """For random inputs, without the check that a real model must stand: random weights keep little."""
        random, shape = np.random.default_rng(11), self.architecture.shape
        matrices = {}
        for layer in range(shape.layers):
            for kind, inputs, outputs in layout.sides(shape):
                name = f"{layer}.{kind}"
                weight, bias = (
                    np.concatenate([self.source[each] for each in layout.source_of(name, part)])
                    for part in ("weight", "bias")
                )
                assert weight.shape == (outputs, inputs)
                rows = _normal(random, 2 * inputs, inputs) + np.float32(0.5)
                matrices[name] = quantised(weight, bias, Inputs.of(rows))
        return QuantisedSource(self.source.__getitem__, matrices)

    def weights(self, precision: str) -> Weights:
        return Weights(opened(self, precision, TensorFile), self.architecture, precision)

    def texts(self, lengths: Iterable[int], seed: int = 5) -> Texts:
        random, lengths = np.random.default_rng(seed), list(lengths)
        shape, tokens = self.architecture.shape, sum(lengths)
        ids = random.integers(0, shape.vocabulary, tokens, np.int32)
        types = random.integers(0, shape.types, tokens, np.int32)
        return Texts(ids, types, np.cumsum([0, *lengths], dtype=np.int32))


def small_model(
    hidden: int = 64,
    head: int = 16,
    inner: int = 128,
    layers: int = 2,
    activation: str = "gelu",
    *,
    positions: int = 512,
    types: int = 2,
    pad_id: int = -1,
    poolings: tuple[str, ...] = ("mean",),
    dense: tuple[Dense, ...] = (),
    seed: int = 3,
) -> SmallModel:
    """`head`: columns of a head; `positions`: tokens that a text may have."""
    shape = Shape(hidden, inner, layers, hidden // head, vocabulary=97, positions=positions + pad_id + 1, types=types)
    architecture = Architecture(shape, activation, 1e-12, pad_id, poolings, dense)
    random = np.random.default_rng(seed)
    return SmallModel(architecture, dict(_tensors(architecture, random)))


def with_large_scores(times: float) -> SmallModel:
    """Queries so large that a softmax's powers would overflow, were the largest score not taken off."""
    model = small_model(128, 32, 192)
    larger = {name: tensor * np.float32(times) for name, tensor in model.source.items() if "self.query" in name}
    return replace(model, source=model.source | larger)


def dense(index: int, inputs: int, outputs: int, activation: str = "identity", *, bias: bool = True) -> Dense:
    """A Dense module; its tensors are made by `small_model`."""
    return Dense(f"{index}.weight", f"{index}.bias" if bias else None, inputs, outputs, activation)


def _tensors(architecture: Architecture, random: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    shape = architecture.shape
    for name, rows in (("word", shape.vocabulary), ("position", shape.positions), ("token_type", shape.types)):
        yield f"embeddings.{name}_embeddings.weight", _normal(random, rows, shape.hidden)
    yield from _norm("embeddings.LayerNorm", shape.hidden, random)
    for layer in range(shape.layers):
        at = f"encoder.layer.{layer}."
        for part in layout.QKV:
            yield from _linear(f"{at}attention.self.{part}", shape.hidden, shape.hidden, random)
        yield from _linear(f"{at}attention.output.dense", shape.hidden, shape.hidden, random)
        yield from _norm(f"{at}attention.output.LayerNorm", shape.hidden, random)
        yield from _linear(f"{at}intermediate.dense", shape.hidden, shape.inner, random)
        yield from _linear(f"{at}output.dense", shape.inner, shape.hidden, random)
        yield from _norm(f"{at}output.LayerNorm", shape.hidden, random)
    for module in architecture.dense:
        yield module.weight, _normal(random, module.outputs, module.inputs) / np.float32(module.inputs) ** 0.5
        if module.bias:
            yield module.bias, _normal(random, module.outputs)


def _normal(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.standard_normal(shape, np.float32)


def _linear(name: str, inputs: int, outputs: int, random: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    yield f"{name}.weight", _normal(random, outputs, inputs) * np.float32(inputs**-0.5)
    yield f"{name}.bias", _normal(random, outputs) * np.float32(0.2)


def _norm(name: str, size: int, random: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    yield f"{name}.weight", 1 + _normal(random, size) * np.float32(0.2)
    yield f"{name}.bias", _normal(random, size) * np.float32(0.2)


def opened(model: SmallModel, precision: str, kind: type[File]) -> File:
    """The model's packed file, made in memory and mapped."""
    found = packed.obtain(model.contents(precision), None, model.read(precision))
    return kind(found.descriptor)


def forward_of(model: SmallModel, weights: Weights, isa: str) -> Forward:
    """The model on a path; the weights' owner keeps them alive."""
    return Forward(weights, isa, model.architecture.poolings, model.longest)


def own_code(precision: str) -> list[str]:
    """The paths that run here and compute in this precision by code of their own."""
    return [isa for isa in library.paths() if library.same_code(isa, precision) == isa]


def plain_of(isa: str, precision: str) -> str:
    """The plain path that adds in this path's order."""
    return library.PLAIN_PATHS[library.sums(isa, precision)]


def vectors(forward: Forward, texts: Texts) -> np.ndarray:
    """Every text's vector, as many texts in a call as CALL_TOKENS hold."""
    return np.concatenate([forward.vectors(call.ids, call.types, call.starts) for call in calls(texts)])


def states(forward: Forward, texts: Texts) -> np.ndarray:
    """Every token's state, as many texts in a call as CALL_TOKENS hold."""
    return np.concatenate([forward.states(call.ids, call.types, call.starts) for call in calls(texts)])


def calls(texts: Texts) -> Iterator[Texts]:
    """The texts in order, in groups of no more than CALL_TOKENS tokens, one text at least."""
    group: list[Texts] = []
    for text in texts:
        if group and sum(len(each.ids) for each in group) + len(text.ids) > CALL_TOKENS:
            yield joined(group)
            group = []
        group.append(text)
    yield joined(group)


def joined(texts: Iterable[Texts]) -> Texts:
    """Texts laid end to end."""
    parts = list(texts)
    lengths = [int(length) for part in parts for length in np.diff(part.starts)]
    ids, types = (np.concatenate([getattr(part, name) for part in parts]) for name in ("ids", "types"))
    return Texts(ids, types, np.cumsum([0, *lengths], dtype=np.int32))


def normalized(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    lengths: np.ndarray = np.linalg.norm(rows, axis=-1, keepdims=True)
    result: np.ndarray = rows / lengths
    return result


def bits(rows: np.ndarray) -> bytes:
    """What equality to the bit compares: -0 is not 0, and a NaN is itself."""
    return np.ascontiguousarray(rows).tobytes()


def assert_same(found: np.ndarray, expected: np.ndarray, precision: str) -> None:
    """To the bit in bfloat16 and int8; in float32 the plain path rounds each product before it adds."""
    if precision != "float32":
        assert bits(found) == bits(expected)
    else:
        assert np.abs(normalized(found) - normalized(expected)).max() < 1e-6
