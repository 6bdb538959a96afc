"""The compiled kernel as Python sees it: its structs, its paths, its calls.

ctypes, because it needs nothing but a C compiler to build (no Python headers) and lets go of the GIL around each call.
kernel/bert.h says what each call promises.
"""

from __future__ import annotations

import ctypes
import time
from ctypes import POINTER, Structure, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_void_p
from functools import cache
from pathlib import Path

import numpy as np

from ...version import IS_CHECKOUT

ABI = 4
BUILDS = "`make run` builds it" if IS_CHECKOUT else "`pip install --no-binary serve-bert serve-bert` builds it"
PLAIN = "plain"
LIBRARY = Path(__file__).parent / "libbert.so"
PRECISIONS = ("float32", "bfloat16", "int8")
SUMS = ("singles", "pairs", "tiles", "integers")
"""The orders in which a path may add: README.md, "The orders of adding"."""
PLAIN_PATHS = {"singles": PLAIN, "pairs": PLAIN, "tiles": "plain_tiles", "integers": PLAIN}
"""The readable path of each order."""
ACTIVATIONS = ("identity", "gelu", "gelu_tanh", "relu", "tanh")
POOLINGS = ("mean", "cls", "max", "lasttoken")
STAGES = ("embed", "qkv", "attention", "project", "feed_up", "feed_down", "normalize", "pool")
ERRORS = ("", "no such path", "unsound model", "unsound texts", "unsound poolings", "too little scratch")


class UnavailableError(Exception):
    """There is no kernel that could be used here; the sentence says why."""


class Linear(Structure):
    """`struct bert_linear`."""

    _fields_ = (
        *((name, c_void_p) for name in ("weights", "bias", "scale", "sums", "stretch", "offset")),
        *((name, c_int32) for name in ("inputs", "outputs", "precision")),
    )


class Norm(Structure):
    """`struct bert_norm`."""

    _fields_ = (("gain", c_void_p), ("bias", c_void_p))


class Layer(Structure):
    """`struct bert_layer`."""

    _fields_ = (
        *((name, Linear) for name in ("qkv", "project", "feed_up", "feed_down")),
        *((name, Norm) for name in ("attended", "fed")),
    )


class Model(Structure):
    """`struct bert_model`."""

    _fields_ = (
        *((name, c_int32) for name in ("words_precision", "activation", "layers", "hidden", "inner", "heads")),
        *((name, c_int32) for name in ("vocabulary", "positions", "types", "pad_id")),
        ("epsilon", c_float),
        *((name, c_void_p) for name in ("words", "position", "type")),
        ("embedded", Norm),
        ("layer", POINTER(Layer)),
    )


class Texts(Structure):
    """`struct bert_texts`."""

    _fields_ = (("ids", c_void_p), ("types", c_void_p), ("starts", c_void_p), ("count", c_int32))


class Watch(Structure):
    """`struct bert_watch`."""

    _fields_ = (("stage_ns", c_void_p), ("inputs", c_void_p))


STRUCTS = (Linear, Norm, Layer, Model, Texts, Watch)
"""In the order of kernel/bert.h."""


@cache
def load(path: Path = LIBRARY) -> ctypes.CDLL:
    """The compiled kernel. Raises UnavailableError with the reason if there is none that can be used."""
    if not path.is_file():
        raise UnavailableError(f"the kernel is not built ({BUILDS} where there is a C compiler)")
    try:
        library = ctypes.CDLL(str(path))
        library.bert_abi.restype = c_int32
        abi = library.bert_abi()
    except (OSError, AttributeError) as error:
        raise UnavailableError(f"the kernel cannot be loaded: {error}") from None
    if abi != ABI:
        raise UnavailableError(f"the kernel is of another version ({abi}, not {ABI}): {BUILDS} anew")
    _declare(library)
    _check_structs(library)
    return library


def _check_structs(library: ctypes.CDLL) -> None:
    """Raise UnavailableError if C has another idea of a struct: a field that one of both lacks would shift the rest."""
    for number, struct in enumerate(STRUCTS):
        own, its = ctypes.sizeof(struct), library.bert_struct_bytes(number)
        if own != its:
            what = f"the kernel's struct of {its} bytes is {struct.__name__} of {own} here"
            raise UnavailableError(f"{what}: {BUILDS} anew")


def _declare(library: ctypes.CDLL) -> None:
    library.bert_struct_bytes.restype, library.bert_struct_bytes.argtypes = c_size_t, (c_int32,)
    library.bert_path_name.restype, library.bert_path_name.argtypes = c_char_p, (c_int32,)
    library.bert_path_runs.restype, library.bert_path_runs.argtypes = c_int32, (c_int32,)
    library.bert_scratch_bytes.restype = c_size_t
    library.bert_scratch_bytes.argtypes = (c_int32, POINTER(Model), c_int32, c_int32)
    library.bert_encode.restype = c_int32
    library.bert_encode.argtypes = (
        *(c_int32, POINTER(Model), POINTER(Texts), c_void_p, c_int32),
        *(c_void_p, c_size_t, c_void_p, POINTER(Watch)),
    )
    library.bert_dense.restype = c_int32
    library.bert_dense.argtypes = (
        *(c_int32, POINTER(Linear), c_int32, c_void_p),
        *(c_int32, c_void_p, c_size_t, c_void_p),
    )
    library.bert_dense_scratch_bytes.restype = c_size_t
    library.bert_dense_scratch_bytes.argtypes = (c_int32, POINTER(Linear), c_int32)
    library.bert_path_sums.restype, library.bert_path_sums.argtypes = c_int32, (c_int32, c_int32)
    library.bert_path_code.restype, library.bert_path_code.argtypes = c_int32, (c_int32, c_int32)
    library.bert_tiles_obstacle.restype, library.bert_tiles_obstacle.argtypes = c_char_p, ()
    library.bert_processor.restype, library.bert_processor.argtypes = None, (c_char_p, c_size_t)
    library.bert_peak.restype, library.bert_peak.argtypes = c_double, (c_int32, c_int32, c_int64)


def paths(library: ctypes.CDLL | None = None) -> dict[str, int]:
    """The paths that this processor can run, by name, from the plainest to the fastest."""
    library = library or load()
    found, index = {}, 0
    while (name := library.bert_path_name(index)) is not None:
        if library.bert_path_runs(index):
            found[name.decode()] = index
        index += 1
    return found


def sums(isa: str, precision: str) -> str:
    """The order in which a path that runs here adds, one of SUMS."""
    return SUMS[load().bert_path_sums(paths()[isa], PRECISIONS.index(precision))]


def same_code(isa: str, precision: str) -> str:
    """The first path that computes in this precision by the same code as this one, which runs here."""
    here = paths()
    code = load().bert_path_code(here[isa], PRECISIONS.index(precision))
    return next(name for name, index in here.items() if index == code)


def processor() -> str:
    """What makes this processor run as it does: maker, model, features, what the system lets a program use."""
    text = ctypes.create_string_buffer(320)
    load().bert_processor(text, len(text))
    return text.value.decode(errors="replace")


def tiles_obstacle() -> str:
    """Why a processor that has a tile unit (AMX) cannot use it; "" if it can, or has none."""
    found: bytes | None = load().bert_tiles_obstacle()
    return found.decode() if found else ""


def check(code: int) -> None:
    """Raise RuntimeError for what a call of the kernel refused; Python has checked everything before it."""
    if code:
        raise RuntimeError(f"the kernel refused: {ERRORS[code] if code < len(ERRORS) else code}")


def aligned(byte_count: int) -> np.ndarray:
    """uint8, shape (byte_count,), beginning at a cache line. Pages that are never touched cost nothing."""
    block = np.empty(byte_count + 64, np.uint8)
    start = -block.ctypes.data % 64
    return block[start : start + byte_count]


def peak_gflops(isa: str, precision: str, seconds: float) -> float:
    """What one core can multiply and add at the most, in 10^9 operations a second, measured for about so long.

    The best of short runs. 0 for the plain path, which has no peak of its own.
    """
    library, path = load(), paths()[isa]
    best, rounds, until = 0.0, 10_000, time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        operations = library.bert_peak(path, PRECISIONS.index(precision), rounds)
        took_s = time.perf_counter() - began
        best = max(best, operations / took_s / 1e9)
        rounds = min(rounds * 2, 1_000_000) if took_s < 0.01 else rounds
    return best
