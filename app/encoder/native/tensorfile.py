"""A safetensors file as arrays that lie inside its mapping.

The format: 8 bytes of header length, little-endian; the header, JSON; the tensors' bytes. The safetensors library's own
numpy reader knows no bfloat16 and copies; it still judges every source file first (app/encoder/weights.py), and the
packed file's header is known to the byte (packed.py), so nothing unchecked comes here.
"""

from __future__ import annotations

import ctypes
import json
import mmap
from collections.abc import Iterator
from typing import Protocol

import numpy as np

DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16, "I8": np.int8}
# Of <sys/mman.h> on Linux, the same on every processor that we know.
MAP_FIXED, PROT_NONE = 0x10, 0
FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
"""In which a source may hold its weights."""


class Tensors(Protocol):
    """What has arrays by their names: a TensorFile, or made ones."""

    def raw(self, name: str) -> np.ndarray:
        """The tensor as it lies there, read-only; bfloat16 as its 16 bits (uint16)."""


class TensorFile:
    """A mapped safetensors file. The arrays keep the mapping alive."""

    def __init__(self, descriptor: int) -> None:
        """Map the whole file read-only."""
        # Privately, because older kernels refuse to share sealed memory. The pages are shared all the same.
        self._mapping = mmap.mmap(descriptor, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
        header_bytes = int.from_bytes(self._mapping[:8], "little")
        header = json.loads(self._mapping[8 : 8 + header_bytes])
        self.metadata: dict[str, str] = header.pop("__metadata__", {})
        self._tensors = header
        self._start = 8 + header_bytes

    def unmap(self) -> None:
        """Leave nothing there but its place: who reads an array before it is mapped again dies. Raises OSError."""
        self._put(PROT_NONE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1)

    def map_again(self, descriptor: int) -> None:
        """The same file, mapped by this process, in the place where the one that forked it had it. Raises OSError."""
        self._put(mmap.PROT_READ, mmap.MAP_PRIVATE, descriptor)

    def _put(self, protection: int, flags: int, descriptor: int) -> None:
        here = np.frombuffer(self._mapping, np.uint8)
        put = ctypes.CDLL(None, use_errno=True).mmap
        put.restype = ctypes.c_void_p
        put.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
        if put(here.ctypes.data, here.nbytes, protection, flags | MAP_FIXED, descriptor, 0) != here.ctypes.data:
            raise OSError(ctypes.get_errno(), "the packed file cannot be mapped where it was")

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def raw(self, name: str) -> np.ndarray:
        """The tensor inside the mapping, read-only; bfloat16 as its 16 bits (uint16)."""
        entry = self._tensors[name]
        begin, end = entry["data_offsets"]
        dtype = np.dtype(DTYPES[entry["dtype"]])
        values = np.frombuffer(self._mapping, dtype, (end - begin) // dtype.itemsize, self._start + begin)
        return values.reshape(entry["shape"])

    def float32(self, name: str) -> np.ndarray:
        """The tensor as float32, copied where it is stored as anything else."""
        values = self.raw(name)
        if self._tensors[name]["dtype"] == "BF16":
            return (values.astype(np.uint32) << 16).view(np.float32)
        return values.astype(np.float32, copy=False)
