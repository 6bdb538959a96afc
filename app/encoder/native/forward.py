"""Token ids to vectors: one call of the kernel, with its scratch."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import byref
from typing import Protocol

import numpy as np

from . import library
from .layout import Dense

# Scratch is made for so many tokens, or one longest text: more in one call would gain nothing and cost memory.
CALL_TOKENS = 256
INT8 = library.PRECISIONS.index("int8")
LaidOut = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Ids, type ids and starts of texts laid end to end, as `Forward.vectors` takes them."""


class Weights(Protocol):
    """What the kernel computes with: `structs.Weights`, or made ones."""

    model: library.Model
    dense: list[tuple[library.Linear, Dense]]


class Forward:
    """A model and a path. Calls from several threads are safe: each takes a scratch of its own while it computes."""

    def __init__(self, weights: Weights, isa: str, poolings: Sequence[str], longest: int) -> None:
        """`longest`: tokens that a text may have at most."""
        self._library = library.load()
        self._weights = weights
        self._path = library.paths()[isa]
        self._hidden = int(weights.model.hidden)
        # After int8, bfloat16 in the order that every path shares: so the vectors are the same bits everywhere.
        self._dense_path = _pairs_path() if weights.model.layer[0].qkv.precision == INT8 else self._path
        self._poolings = np.array([library.POOLINGS.index(pooling) for pooling in poolings], np.int32)
        byte_count = self._library.bert_scratch_bytes(
            self._path, byref(weights.model), max(CALL_TOKENS, longest), longest
        )
        self._scratch_bytes = int(byte_count)
        self._spare: list[np.ndarray] = []

    def vectors(self, ids: np.ndarray, types: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Encode and pool texts laid end to end; float32, shape (texts, dimension).

        `ids` and `types`: int32, shape (tokens,); `starts`: int32, shape (texts + 1,), from 0 to the tokens' count.
        """
        out = self._room_for_vectors(starts)
        self._encode((ids, types, starts), self._poolings, out)
        for linear, dense in self._weights.dense:
            out = self._dense(linear, dense.activation, out)[:, : dense.outputs]
        return out

    def states(self, ids: np.ndarray, types: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """The last layer's output; float32, shape (tokens, hidden). Arguments as for `vectors`."""
        out = np.empty((len(ids), self._hidden), np.float32)
        self._encode((ids, types, starts), self._poolings[:0], out)
        return out

    def stage_seconds(self, ids: np.ndarray, types: np.ndarray, starts: np.ndarray) -> dict[str, float]:
        """How long each stage of one encoding took, by the names of library.STAGES."""
        out = self._room_for_vectors(starts)
        stage_ns = np.zeros(len(library.STAGES), np.uint64)
        self._encode((ids, types, starts), self._poolings, out, library.Watch(stage_ns=stage_ns.ctypes.data))
        return dict(zip(library.STAGES, (stage_ns / 1e9).tolist(), strict=True))

    def inputs(
        self, ids: np.ndarray, types: np.ndarray, starts: np.ndarray
    ) -> tuple[list[list[np.ndarray]], np.ndarray]:
        """What goes into each product, and the vectors before any Dense module; of a float32 model.

        By layer the inputs of QKV, projection and feed-up, float32 of shape (tokens, hidden), and of feed-down,
        (tokens, inner); float32 of shape (texts, poolings × hidden). Arguments as for `vectors`.
        """
        model, tokens = self._weights.model, len(ids)
        sides = [model.hidden] * 3 + [model.inner]
        flat = np.empty((model.layers, tokens * sum(sides)), np.float32)
        out = self._room_for_vectors(starts)
        self._encode((ids, types, starts), self._poolings, out, library.Watch(inputs=flat.ctypes.data))
        edges = np.cumsum([tokens * side for side in sides])[:-1]
        return [
            [part.reshape(tokens, side) for part, side in zip(np.split(layer, edges), sides, strict=True)]
            for layer in flat
        ], out

    def _room_for_vectors(self, starts: np.ndarray) -> np.ndarray:
        """Uninitialised; no pooling means states to the kernel, for which there would be no room."""
        if not len(self._poolings):
            raise ValueError("without a pooling there are no vectors")
        return np.empty((len(starts) - 1, len(self._poolings) * self._hidden), np.float32)

    def _encode(
        self, laid_out: LaidOut, poolings: np.ndarray, out: np.ndarray, watch: library.Watch | None = None
    ) -> None:
        ids, types, starts = laid_out
        for array in (*laid_out, poolings):
            if array.dtype != np.int32 or not array.flags.c_contiguous:
                raise TypeError("the kernel takes contiguous int32 arrays")
        if len(types) != len(ids) or starts[-1] != len(ids):
            raise ValueError("the kernel takes as many types as ids, and texts that fill them")
        texts = library.Texts(ids.ctypes.data, types.ctypes.data, starts.ctypes.data, len(starts) - 1)
        with self._scratch() as scratch:
            library.check(
                self._library.bert_encode(
                    self._path,
                    byref(self._weights.model),
                    byref(texts),
                    poolings.ctypes.data,
                    len(poolings),
                    scratch.ctypes.data,
                    scratch.nbytes,
                    out.ctypes.data,
                    byref(watch) if watch else None,
                )
            )

    @contextmanager
    def _scratch(self) -> Iterator[np.ndarray]:
        """uint8, aligned, large enough for every call; as many are made as threads compute at once, and kept."""
        try:
            scratch = self._spare.pop()
        except IndexError:
            # Of its own, so that `rest` gives it back to the system; private, for a fork must not share it.
            pages = mmap.mmap(-1, self._scratch_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            scratch = np.frombuffer(pages, np.uint8)
        try:
            yield scratch
        finally:
            self._spare.append(scratch)

    def rest(self) -> None:
        """Give back all scratch that is not in use."""
        self._spare.clear()

    def _dense(self, linear: library.Linear, activation: str, inputs: np.ndarray) -> np.ndarray:
        inputs = np.ascontiguousarray(inputs)
        out = np.empty((len(inputs), linear.outputs), np.float32)
        path = self._dense_path
        scratch = library.aligned(self._library.bert_dense_scratch_bytes(path, byref(linear), len(inputs)))
        library.check(
            self._library.bert_dense(
                path,
                byref(linear),
                library.ACTIVATIONS.index(activation),
                inputs.ctypes.data,
                len(inputs),
                scratch.ctypes.data,
                scratch.nbytes,
                out.ctypes.data,
            )
        )
        return out


def _pairs_path() -> int:
    """The last path, the fastest as a rule, that adds bfloat16 in pairs: all processors have one, and they agree."""
    return [index for name, index in library.paths().items() if library.sums(name, "bfloat16") == "pairs"][-1]
