"""The paths of AVX-512 and of the tile unit against the plain ones on a processor without either: by way of
kernel/emulated.h and SIMDe, and of kernel/tile_emulated.inc."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.encoder.native import build, library
from app.encoder.native.selfcheck import ask_plain, compare
from tests.native_models import (
    bits,
    dense,
    forward_of,
    normalized,
    plain_of,
    small_model,
    states,
    vectors,
    with_large_scores,
)

PATHS = ["plain", "plain_tiles", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"]
# Rows of 6 and of 16 and what is left of them, panels of 4 and what is left: keys of 1 to 7 panels, heads of 1 to 5.
MODELS: dict[str, tuple[dict[str, Any], list[int]]] = {
    "heads of one panel": ({"inner": 64}, [*range(1, 19), 33, 48, 49, 64, 65, 100]),
    "heads of two panels": ({"hidden": 128, "head": 32, "inner": 192, "activation": "gelu_tanh"}, [1, 7, 12, 31]),
    "heads of three panels": ({"hidden": 192, "head": 48, "layers": 1, "activation": "relu"}, [2, 5, 17]),
    "heads of five panels": ({"hidden": 320, "head": 80, "inner": 64, "layers": 1}, [1, 6, 13]),
    "MiniLM's": ({"hidden": 384, "head": 32, "inner": 1536, "layers": 1}, [20]),
    "the widest head": ({"hidden": 256, "head": 256, "inner": 64, "layers": 1}, [4, 35]),
}


def missing() -> str:
    """Why the emulated kernel cannot be built or run here; "" if it can."""
    if "avx2" not in library.paths():
        return "this processor has no AVX2"
    if not Path("/usr/include/simde").is_dir():
        return "SIMDe is not installed (on Debian: libsimde-dev)"
    return ""


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "CI" not in os.environ and set(PATHS) <= set(library.paths()):
        pytest.skip("every path runs on this processor itself; CI emulates them all the same, which takes a minute")
    if why := missing():
        (pytest.fail if "CI" in os.environ else pytest.skip)(why)
    target = tmp_path_factory.mktemp("emulated") / build.NAME
    build.build(target, *build.EMULATED, "-O1", "-Werror")  # at -O2 gcc takes a third longer
    return target


@pytest.fixture(autouse=True)
def emulated_kernel(emulated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "load", partial(library.load, emulated))


def test_every_path_runs() -> None:
    assert list(library.paths()) == PATHS


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
@pytest.mark.parametrize(("sizes", "lengths"), MODELS.values(), ids=MODELS)
def test_each_path_gives_the_plain_ones_bits(sizes: dict[str, Any], lengths: list[int], precision: str) -> None:
    model = small_model(**sizes)
    weights, texts = model.weights(precision), model.texts(lengths)
    found = {isa: bits(states(forward_of(model, weights, isa), texts)) for isa in PATHS}
    assert all(found[isa] == found[plain_of(isa, precision)] for isa in PATHS)


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_scores_of_any_size_are_the_same_to_the_bit(precision: str) -> None:
    model = with_large_scores(60)
    weights, texts = model.weights(precision), model.texts([70, 5])
    for isa in PATHS[2:]:
        plain = forward_of(model, weights, plain_of(isa, precision))
        assert bits(states(forward_of(model, weights, isa), texts)) == bits(states(plain, texts))


@pytest.mark.parametrize(("sizes", "lengths"), MODELS.values(), ids=MODELS)
def test_float32_is_the_same_on_all_fused_paths_and_near_the_plain_one(
    sizes: dict[str, Any], lengths: list[int]
) -> None:
    model = small_model(**sizes)
    weights, texts = model.weights("float32"), model.texts(lengths)
    found = {isa: states(forward_of(model, weights, isa), texts) for isa in PATHS}
    assert abs(normalized(found["avx512"]) - normalized(found["plain"])).max() < 1e-6
    assert bits(found["avx512"]) == bits(found["avx2"]) == bits(found["avx512_bf16"]) == bits(found["amx_bf16"])


@pytest.mark.parametrize("precision", library.PRECISIONS)
@pytest.mark.parametrize("isa", PATHS[3:])
def test_company_poolings_and_dense_layers(isa: str, precision: str) -> None:
    layers = (dense(0, 128, 70, "gelu"), dense(1, 70, 7, "tanh", bias=False))
    model = small_model(layers=1, poolings=("mean", "max"), dense=layers)
    weights, texts = model.weights(precision), model.texts([5, 1, 16, 2, 23])
    forward = forward_of(model, weights, isa)
    together = vectors(forward, texts)
    assert [bits(forward.vectors(text.ids, text.types, text.starts)[0]) for text in texts] == [*map(bits, together)]
    if precision != "float32":
        assert bits(together) == bits(vectors(forward_of(model, weights, plain_of(isa, precision)), texts))


@pytest.mark.parametrize("isa", PATHS[3:])
def test_the_self_check_passes(isa: str) -> None:
    for precision in library.PRECISIONS:
        weights = small_model().weights(precision)
        compare(weights, isa, precision, 512, ask_plain(weights, isa, precision, 512))
