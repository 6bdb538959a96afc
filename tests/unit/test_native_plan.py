"""When the native engine is chosen, and what is said where it cannot be."""

from __future__ import annotations

import ctypes
from functools import partial
from pathlib import Path

import pytest

from app import encoder as encoders
from app.encoder import Checkpoint
from app.encoder.native import choice, library
from app.errors import ConfigurationError
from tests.native_checkpoints import change, save
from tests.native_models import small_model


@pytest.fixture
def small(tmp_path: Path) -> Checkpoint:
    return encoders.verify(str(save(small_model(positions=32), tmp_path / "model")))


@pytest.fixture
def no_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(library, "load", partial(library.load, tmp_path / "libbert.so"))


NOT_BUILT = "the kernel is not built (`make run` builds it where there is a C compiler)"


def test_auto_takes_it_on_the_path_that_was_measured_to_be_fastest(small: Checkpoint, tmp_path: Path) -> None:
    if set(library.paths()) <= choice.PLAIN:
        pytest.skip("this processor runs the plain paths alone")
    first, second = (encoders.plan(small, cache=str(tmp_path / "cache")).facts() for _ in range(2))
    assert first["engine"] == "native"
    assert f"{first['isa']} {first['precision']}" in str(first["measured_ms"])
    assert first["packed"] == f"{second['packed']} (made just now)"
    assert (first["isa"], first["measured_ms"]) == (second["isa"], second["measured_ms"])
    assert first["sums"] == library.sums(str(first["isa"]), str(first["precision"]))


def test_bfloat16_has_two_orders_of_adding_and_float32_one() -> None:
    tiles = {isa for isa in library.paths() if library.sums(isa, "bfloat16") == "tiles"}
    assert tiles == {"plain_tiles", "amx_bf16", "amx_int8"} & set(library.paths())
    assert {library.sums(isa, "bfloat16") for isa in set(library.paths()) - tiles} == {"pairs"}
    assert {library.sums(isa, "float32") for isa in library.paths()} == {"singles"}


@pytest.mark.usefixtures("no_kernel")
def test_without_a_kernel_it_is_sentence_transformers(small: Checkpoint) -> None:
    plan = encoders.plan(small)
    assert (plan.engine, plan.native, plan.why_not_native) == ("sentence-transformers", None, NOT_BUILT)
    assert plan.facts()["why_not_native"] == NOT_BUILT
    with pytest.raises(ConfigurationError) as caught:
        encoders.plan(small, engine="native")
    assert str(caught.value) == f"BERT_ENGINE: 'native' cannot be used: {NOT_BUILT}"
    with pytest.raises(ConfigurationError, match=r"^BERT_PRECISION: 'bfloat16' cannot be used: .* \(the kernel is not"):
        encoders.plan(small, precision="bfloat16")


def test_a_model_that_it_cannot_run_is_sentence_transformers(small: Checkpoint) -> None:
    change(small.directory / "config.json", hidden_act="silu")
    changed = encoders.verify(str(small.directory))
    plan = encoders.plan(changed)
    assert plan.why_not_native == "the kernel cannot run this model: its activation function is 'silu'"
    with pytest.raises(ConfigurationError, match="cannot be used: the kernel cannot run this model: its activation"):
        encoders.plan(changed, engine="native")


def test_the_plain_path_is_taken_where_it_is_named(
    small: Checkpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(library, "paths", lambda *_: {"plain": 0, "plain_tiles": 1})
    assert encoders.plan(small).why_not_native.startswith("this processor has none of the instruction sets")
    for asked in ({"engine": "native"}, {"isa": "plain"}):
        assert encoders.plan(small, cache=str(tmp_path / "cache"), **asked).facts()["isa"] == "plain"


def test_an_instruction_set_that_is_not_there_is_refused(small: Checkpoint) -> None:
    with pytest.raises(ConfigurationError, match=r"BERT_ISA: 'avx9' cannot run on this processor.*; these can: plain"):
        encoders.plan(small, isa="avx9")


def test_a_kernel_of_another_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libbert.so").write_bytes(b"no library")
    with pytest.raises(library.UnavailableError, match="the kernel cannot be loaded: "):
        library.load(tmp_path / "libbert.so")
    (tmp_path / "again.so").symlink_to(library.LIBRARY)
    monkeypatch.setattr(library, "ABI", library.ABI + 1)
    with pytest.raises(library.UnavailableError, match=r"the kernel is of another version \(4, not 5\)"):
        library.load(tmp_path / "again.so")
    monkeypatch.undo()
    (tmp_path / "once more.so").symlink_to(library.LIBRARY)
    longer = type("Norm", (ctypes.Structure,), {"_fields_": [*library.Norm._fields_, ("more", ctypes.c_int32)]})
    monkeypatch.setattr(library, "STRUCTS", (library.Linear, longer, *library.STRUCTS[2:]))
    with pytest.raises(library.UnavailableError, match=r"struct of 16 bytes is Norm of 24 here"):
        library.load(tmp_path / "once more.so")


def test_all_texts_are_held_against_what_is_new(small: Checkpoint, tmp_path: Path) -> None:
    """Weights that were packed for other files, too."""
    cache = str(tmp_path / "cache")
    assert [encoders.plan(small, engine="native", cache=cache).is_first for _ in range(2)] == [True, False]
    change(small.directory / "1_Pooling" / "config.json", pooling_mode="cls")
    changed = encoders.verify(str(small.directory))
    found = [encoders.plan(changed, engine="native", cache=cache) for _ in range(2)]
    assert found[0].native is not None
    assert not found[0].native.packed.made
    assert [plan.is_first for plan in found] == [True, False]
