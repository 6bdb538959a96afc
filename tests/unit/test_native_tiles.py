"""The tile unit: its emulation against what the hardware answered, its softmax, and what stands in its way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from app.encoder.native import build, library
from tests.native_bert import bert
from tests.native_models import (
    SmallModel,
    bits,
    forward_of,
    normalized,
    own_code,
    plain_of,
    small_model,
    states,
    vectors,
    with_large_scores,
)
from tests.native_program import compiled

# One tile product with kernel/tile_emulated.inc: sums, inputs and weights from the standard input, sums to the output.
PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#define KERNEL_EMULATED_TILES
#include "tile_unit.h"
int main(int count, char **arguments)
{
    static char c[1024], a[1024], b[1024];
    int rows = atoi(arguments[1]), pairs = atoi(arguments[2]), columns = atoi(arguments[3]), kind = atoi(arguments[4]);
    while (count && fread(c, 1024, 1, stdin) && fread(a, 1024, 1, stdin) && fread(b, 1024, 1, stdin)) {
        struct tile_shapes shapes = {.palette = 1};
        shapes.rows[0] = shapes.rows[4] = (uint8_t)rows, shapes.rows[6] = (uint8_t)pairs;
        shapes.row_bytes[0] = shapes.row_bytes[6] = (uint16_t)(4 * columns);
        shapes.row_bytes[4] = (uint16_t)(4 * pairs);
        TILE_SHAPE(shapes);
        TILE_LOAD(0, c, 64), TILE_LOAD(4, a, 64), TILE_LOAD(6, b, 64);
        if (kind == 0)
            TILE_MULTIPLY(0, 4, 6);
        else
            TILE_MULTIPLY_BYTES(0, 4, 6);
        static char out[1024];
        TILE_STORE(0, out, 64);
        fwrite(out, 1024, 1, stdout);
    }
    (void)shape_tiles, (void)release_tiles, (void)tile_rows;
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "avx2" not in library.paths():
        pytest.skip("this is no x86-64")
    return compiled(PROGRAM, tmp_path_factory.mktemp("tiles"))


def recorded() -> Iterator[tuple[list[str], list[np.ndarray], np.ndarray]]:
    """Shape and kind (0 TDPBF16PS, 1 TDPBUSD), sums, inputs and weights, and what the hardware made of them."""
    answers = np.load(Path(__file__).parents[1] / "data" / "tile_products.npz")
    for index in np.flatnonzero(answers["kind"] < 2):
        shape = [str(answers[name][index]) for name in ("rows", "quads", "columns", "kind")]
        yield shape, [answers[name][index] for name in "cab"], answers["out"][index]


def test_the_emulation_gives_the_hardwares_bits(program: Path) -> None:
    cases = list(recorded())
    assert min(sum(shape[3] == kind for shape, _, _ in cases) for kind in "01") >= 5
    for shape, tiles, expected in cases:
        given = b"".join(np.ascontiguousarray(tile).tobytes() for tile in tiles)
        found = subprocess.run([program, *shape], input=given, capture_output=True, check=True).stdout
        assert np.array_equal(np.frombuffer(found, np.uint32), expected.reshape(-1).view(np.uint32)), shape


def least_cosine(found: np.ndarray, expected: np.ndarray) -> float:
    return float((normalized(found) * normalized(expected)).sum(axis=1).min())


@pytest.mark.long
@pytest.mark.parametrize("times", [1.0, 20.0, 60.0, 400.0, 1e4])
def test_scores_of_any_size_give_a_sound_softmax(times: float) -> None:
    model = with_large_scores(times)
    weights, texts = model.weights("bfloat16"), model.texts([40, 1, 17, 70, 129])
    expected = np.concatenate([bert(model, text) for text in texts])
    rounded = least_cosine(states(forward_of(model, weights, library.PLAIN), texts), expected)
    for isa in own_code("bfloat16"):
        found = states(forward_of(model, weights, isa), texts)
        assert bits(found) == bits(states(forward_of(model, weights, plain_of(isa, "bfloat16")), texts))
        assert np.isfinite(found).all()
        # A softmax of large scores prefers other tokens once they are rounded: in one order of adding as in the other.
        assert least_cosine(found, expected) > rounded - 0.005
        alone = [forward_of(model, weights, isa).vectors(text.ids, text.types, text.starts)[0] for text in texts]
        assert [bits(row) for row in alone] == [bits(row) for row in vectors(forward_of(model, weights, isa), texts)]


def with_a_score_of_zero() -> SmallModel:
    """Of word 0 in two columns alike, and keys that are the difference of those: any query's score with it is 0."""
    model = small_model(64, 16, 64, layers=1)
    source = {name: tensor.copy() for name, tensor in model.source.items()}
    for name in ("position_embeddings.weight", "token_type_embeddings.weight", "LayerNorm.weight", "LayerNorm.bias"):
        source[f"embeddings.{name}"][..., 1] = source[f"embeddings.{name}"][..., 0]
    source["embeddings.word_embeddings.weight"][0, 1] = source["embeddings.word_embeddings.weight"][0, 0]
    at = "encoder.layer.0.attention.self."
    source[f"{at}key.bias"][:] = source[f"{at}key.weight"][:] = 0
    source[f"{at}key.weight"][:, :2] = [100, -100]
    source[f"{at}query.weight"] *= 100
    return replace(model, source=source)


def test_a_score_of_zero_among_large_ones() -> None:
    """The largest is looked for beyond it."""
    model = with_a_score_of_zero()
    weights, texts = model.weights("bfloat16"), model.texts([20, 70])
    texts.ids[[0, 20]] = 0
    for isa in own_code("bfloat16"):
        found = states(forward_of(model, weights, isa), texts)
        assert np.isfinite(found).all()
        assert bits(found) == bits(states(forward_of(model, weights, plain_of(isa, "bfloat16")), texts))


@pytest.mark.long
def test_a_compiler_that_does_not_know_tiles_costs_that_path_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = " ".join(build.compiler())
    refusing = tmp_path / "cc"
    refusing.write_text(f'#!/bin/sh\ncase "$*" in *{build.WITHOUT_TILES}*) exec {real} "$@";; esac\nexit 1\n')
    refusing.chmod(0o755)
    monkeypatch.setenv("CC", str(refusing))
    assert build.build(tmp_path / build.NAME, "-O0", "-Werror") is False
    here = library.load(tmp_path / build.NAME)
    assert list(library.paths(here)) == [path for path in library.paths() if "amx" not in path]
    monkeypatch.setattr(library, "load", partial(library.load, tmp_path / build.NAME))
    expected = "the compiler that built the kernel does not know it" if has_tiles() else ""
    assert library.tiles_obstacle() == expected


def has_tiles() -> bool:
    return " amx_tile " in Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else False


# A signal stack on which the tiles' registers have no room, before anybody asks for them.
REFUSED = """
import ctypes
class Stack(ctypes.Structure):
    _fields_ = (("at", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))
room = ctypes.create_string_buffer(8192)
stack = Stack(ctypes.addressof(room), 0, len(room))
assert ctypes.CDLL(None).sigaltstack(ctypes.byref(stack), None) == 0
from app.encoder.native import library
print(*library.paths(), sep=",")
print(library.tiles_obstacle())
"""


@pytest.mark.skipif(not has_tiles(), reason="this processor has no tile unit")
def test_a_system_that_refuses_the_tile_unit_costs_that_path_alone() -> None:
    ran = subprocess.run([sys.executable, "-c", REFUSED], capture_output=True, text=True, check=True)
    paths, obstacle = ran.stdout.splitlines()
    assert "avx512_bf16" in paths
    assert "amx" not in paths
    assert obstacle == "a thread's signal stack is too small for the tile unit's registers"
