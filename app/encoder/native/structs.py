"""From a verified checkpoint to the structs that the kernel reads: packed once, mapped by every worker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...errors import ModelRefusedError
from ..checkpoint import Checkpoint
from . import layout, library, packed
from .architecture import Architecture
from .matrix import SCALES
from .tensorfile import TensorFile, Tensors


def pack(
    checkpoint: Checkpoint,
    architecture: Architecture,
    precision: str,
    folder: Path | None,
    quantise: packed.Quantise | None = None,
) -> packed.Packed:
    """The checkpoint's packed file, found in `folder` or made; `quantise` for int8 alone."""
    tensors = tuple(layout.tensors(architecture.shape, precision, architecture.dense))
    contents = packed.Contents(checkpoint.sha256, precision, tensors)
    return packed.obtain(contents, folder, _reader(checkpoint), quantise)


def _reader(checkpoint: Checkpoint) -> layout.Read:
    """Tensors of the encoder by BERT's names, those of later modules by "FILE:NAME"; files are opened when read."""
    places = {name: (place.file.path, place.name) for name, place in checkpoint.tensors.items()}
    for file in checkpoint.weights:
        places |= {f"{file.name}:{name}": (file.path, name) for name in file.shapes}
    files: dict[Path, TensorFile] = {}

    def read(name: str) -> np.ndarray:
        path, own_name = places[name]
        if path not in files:
            files[path] = open_file(path)
        tensor = files[path].float32(own_name)
        if not np.isfinite(tensor).all():
            raise ModelRefusedError(f"{path}: its weights are not finite numbers (in {own_name})")
        return tensor

    return read


def open_file(path: Path) -> TensorFile:
    """Map a safetensors file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return TensorFile(descriptor)
    finally:
        os.close(descriptor)


class Weights:
    """A packed file, mapped, as the kernel's structs. They point into the mapping, which lives as long as they do."""

    def __init__(self, tensors: Tensors, architecture: Architecture, precision: str) -> None:
        self._tensors = tensors
        self.precision = precision
        wide = "bfloat16" if precision == "int8" else precision
        shape = architecture.shape
        self._layers = (library.Layer * shape.layers)(*self._all_layers(architecture))
        self.model = library.Model(
            words_precision=library.PRECISIONS.index(wide),
            activation=library.ACTIVATIONS.index(architecture.activation),
            layers=shape.layers,
            hidden=shape.hidden,
            inner=shape.inner,
            heads=shape.heads,
            vocabulary=shape.vocabulary,
            positions=shape.positions,
            types=shape.types,
            pad_id=architecture.pad_id,
            epsilon=architecture.epsilon,
            words=self._address("words"),
            position=self._address("position"),
            type=self._address("type"),
            embedded=self._norm("embedded"),
            layer=self._layers,
        )
        self.dense = [
            (self._linear(f"dense.{index}", dense.inputs, layout.padded(dense.outputs), wide), dense)
            for index, dense in enumerate(architecture.dense)
        ]

    def _all_layers(self, architecture: Architecture) -> Iterator[library.Layer]:
        for layer in range(architecture.shape.layers):
            yield library.Layer(
                attended=self._norm(f"{layer}.attended"),
                fed=self._norm(f"{layer}.fed"),
                **{
                    kind: self._linear(f"{layer}.{kind}", inputs, outputs, self.precision)
                    for kind, inputs, outputs in layout.sides(architecture.shape)
                },
            )

    def _address(self, name: str) -> int:
        address: int = self._tensors.raw(name).ctypes.data
        return address

    def _norm(self, name: str) -> library.Norm:
        return library.Norm(self._address(f"{name}.gain"), self._address(f"{name}.bias"))

    def _linear(self, name: str, inputs: int, outputs: int, precision: str) -> library.Linear:
        scales = SCALES if precision == "int8" else ()
        return library.Linear(
            weights=self._address(f"{name}.panels"),
            bias=self._address(f"{name}.bias"),
            inputs=inputs,
            outputs=outputs,
            precision=library.PRECISIONS.index(precision),
            **{part: self._address(f"{name}.{part}") for part in scales},
        )
