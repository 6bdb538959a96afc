"""From a verified checkpoint to the structs that the kernel reads: packed once, mapped by every worker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from app.encoder.checkpoint import Checkpoint
from app.encoder.native import layout, library, packed
from app.encoder.native.support import Architecture
from app.encoder.native.tensorfile import TensorFile


def pack(checkpoint: Checkpoint, architecture: Architecture, precision: str, folder: Path | None) -> packed.Packed:
    """The checkpoint's packed file, found in `folder` or made."""
    tensors = tuple(layout.tensors(architecture.shape, precision, architecture.prefix, architecture.dense))
    contents = packed.Contents(checkpoint.sha256, precision, tensors)
    return packed.obtain(contents, folder, _reader(checkpoint))


def _reader(checkpoint: Checkpoint) -> layout.Read:
    """Tensors of the transformer by their names, those of later modules by "FILE:NAME"; files are opened when read."""
    places: dict[str, tuple[Path, str]] = {}
    transformer = checkpoint.recipe.modules[0].directory
    for file in checkpoint.weights:
        for name in file.shapes:
            places[name if file.path.parent == transformer else f"{file.name}:{name}"] = (file.path, name)
    files: dict[Path, TensorFile] = {}

    def read(name: str) -> np.ndarray:
        path, own_name = places[name]
        if path not in files:
            files[path] = open_file(path)
        return files[path].float32(own_name)

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

    def __init__(self, file: TensorFile, architecture: Architecture, precision: str) -> None:
        self._file = file
        shape = architecture.shape
        self._layers = (library.Layer * shape.layers)(*self._all_layers(architecture))
        self.model = library.Model(
            precision=library.PRECISIONS.index(precision),
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
            (self._linear(f"dense.{index}", dense.inputs, layout.padded(dense.outputs)), dense)
            for index, dense in enumerate(architecture.dense)
        ]

    def _all_layers(self, architecture: Architecture) -> Iterator[library.Layer]:
        hidden, inner = architecture.shape.hidden, architecture.shape.inner
        for layer in range(architecture.shape.layers):
            yield library.Layer(
                qkv=self._linear(f"{layer}.qkv", hidden, 3 * hidden),
                project=self._linear(f"{layer}.project", hidden, hidden),
                feed_up=self._linear(f"{layer}.feed_up", hidden, inner),
                feed_down=self._linear(f"{layer}.feed_down", inner, hidden),
                attended=self._norm(f"{layer}.attended"),
                fed=self._norm(f"{layer}.fed"),
            )

    def _address(self, name: str) -> int:
        address: int = self._file.raw(name).ctypes.data
        return address

    def _norm(self, name: str) -> library.Norm:
        return library.Norm(self._address(f"{name}.gain"), self._address(f"{name}.bias"))

    def _linear(self, name: str, inputs: int, outputs: int) -> library.Linear:
        return library.Linear(self._address(f"{name}.panels"), self._address(f"{name}.bias"), inputs, outputs)
