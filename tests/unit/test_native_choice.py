"""Which path serves: what was measured to be fastest here, kept for the next start; a wrong one is left out."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from app import encoder as encoders
from app.encoder import Checkpoint
from app.encoder.native import choice, library, selfcheck, trial
from app.encoder.native.choice import fastest
from app.encoder.native.forward import Forward
from app.encoder.native.layout import Shape
from app.encoder.native.structs import Weights
from app.encoder.native.trial import Candidate
from app.errors import ConfigurationError, ModelRefusedError
from tests.native_checkpoints import save
from tests.native_models import small_model

FASTER = [isa for isa in library.paths() if isa not in choice.PLAIN]
SHAPE = Shape(hidden=128, inner=512, layers=2, heads=4, vocabulary=97, positions=512, types=2)
F32, BF16 = Candidate("avx512", "float32"), Candidate("amx_bf16", "bfloat16")

pytestmark = pytest.mark.skipif(not FASTER, reason="this processor runs the plain paths alone")
needs_two = pytest.mark.skipif(len(FASTER) < 2, reason="this processor has no two paths to choose from")


@pytest.fixture
def small(tmp_path: Path) -> Checkpoint:
    return encoders.verify(str(save(small_model(positions=32), tmp_path / "model")))


@pytest.mark.parametrize(
    ("exact", "narrow", "chosen"),
    [
        ((2.0, 20.0), (1.5, 15.0), BF16),
        ((2.0, 20.0), (1.6, 15.5), F32),
        ((2.0, 20.0), (1.6, 2.0), BF16),
        ((2.0, 20.0), (2.1, 2.0), F32),
    ],
)
def test_bfloat16_must_be_worth_it_for_short_texts_and_for_long_ones(
    exact: tuple[float, float], narrow: tuple[float, float], chosen: Candidate
) -> None:
    assert fastest([F32, BF16], {F32: exact, BF16: narrow}) == chosen
    assert fastest([BF16], {BF16: narrow}) == BF16


def test_the_least_sum_is_the_fastest() -> None:
    other = Candidate("avx2", "float32")
    assert fastest([F32, other], {F32: (2.0, 20.0), other: (3.0, 18.0)}) == other


@contextmanager
def made_slow(monkeypatch: pytest.MonkeyPatch, slow: Callable[[str], bool]) -> Iterator[None]:
    """Some paths take 10 ms of CPU more."""
    sound, indices = Forward.states, {index: name for name, index in library.paths().items()}

    def states(self: Forward, *laid_out: np.ndarray) -> np.ndarray:
        until = time.thread_time() + 0.01
        while slow(indices[self._path]) and time.thread_time() < until:
            pass
        return sound(self, *laid_out)

    with monkeypatch.context() as patched:
        patched.setattr(Forward, "states", states)
        yield


@needs_two
@pytest.mark.parametrize("fast", FASTER)
def test_a_path_that_is_made_slow_is_not_chosen(monkeypatch: pytest.MonkeyPatch, fast: str) -> None:
    """Whatever flags the processor has."""
    with made_slow(monkeypatch, lambda isa: isa != fast):
        for precision in (one for one in library.PRECISIONS if same(fast, one)):
            measure = partial(choice.measured, SHAPE, "gelu", None, precision)
            found = choice.choose(choice.candidates(FASTER, precision), measure)
            assert found.isa == fast


def test_what_was_measured_is_kept_for_this_processor_kernel_and_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = choice.measured(SHAPE, "gelu", tmp_path / "cache")
    assert set(first) == {Candidate(isa, one) for one in choice.AUTOMATIC for isa in FASTER if same(isa, one)}
    eight = choice.measured(SHAPE, "gelu", tmp_path / "cache", "int8")
    assert set(eight) == {Candidate(isa, "int8") for isa in FASTER if same(isa, "int8")}
    with made_slow(monkeypatch, lambda _: True):
        assert choice.measured(SHAPE, "gelu", tmp_path / "cache") == first
        assert choice.measured(replace(SHAPE, inner=256), "gelu", tmp_path / "cache") != first
        monkeypatch.setattr(library, "processor", lambda: "another one")
        assert choice.measured(SHAPE, "gelu", tmp_path / "cache") != first


def same(isa: str, precision: str) -> bool:
    return library.same_code(isa, precision) == isa


WRONG_TIMES: tuple[object, ...] = (
    [0.0, 1.0],
    [1.0],
    [1.0, math.nan],
    [1.0, math.inf],
    [1, 10**400],
    "12",
    None,
    {"a": 1},
)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "\x00", "[" * 100_000, *WRONG_TIMES])
def test_a_torn_or_foreign_record_is_measured_anew(tmp_path: Path, content: object) -> None:
    first = choice.measured(SHAPE, "gelu", tmp_path)
    record = next(tmp_path.glob("paths-*.json"))
    record.write_text(content if isinstance(content, str) and content != "12" else everyone_took(first, content))
    found = choice.measured(SHAPE, "gelu", tmp_path)
    assert json.loads(record.read_text()).keys() == {" ".join(one) for one in found}


def everyone_took(times: trial.Times, seconds: object) -> str:
    return json.dumps({" ".join(one): seconds for one in times})


def test_what_cannot_be_written_is_measured_once_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, measurements = trial.measure, []

    def measure(*given: Any) -> trial.Times:
        measurements.append(sound(*given))
        return measurements[-1]

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(trial, "measure", measure)
    monkeypatch.setattr(Path, "replace", full)
    assert [choice.measured(SHAPE, "gelu", tmp_path)] == measurements
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_without_a_place_to_keep_it_it_is_measured_each_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for folder in (None, tmp_path / "file" / "cache"):
        assert choice.measured(SHAPE, "gelu", folder)


@pytest.mark.parametrize(
    ("hidden", "inner", "heads"), [(384, 1536, 12), (1024, 4096, 16), (4096, 16384, 64), (64, 64, 4)]
)
def test_a_trial_is_bounded_whatever_the_model(hidden: int, inner: int, heads: int) -> None:
    """In what it multiplies: time itself is for a benchmark."""
    shape = trial.trial_shape(Shape(hidden, inner, 48, heads, 30522, 512, 2))
    assert shape.hidden <= hidden
    assert shape.hidden // shape.heads == hidden // heads
    assert (shape.hidden % 64, shape.inner % 64, shape.hidden % shape.heads) == (0, 0, 0)
    assert shape.layers * (4 * shape.hidden**2 + 2 * shape.hidden * shape.inner) <= 5_000_000


def test_nothing_is_measured_where_there_is_nothing_to_choose() -> None:
    for isa, precision in (("avx2", "float32"), ("avx2", "bfloat16"), ("plain", "auto"), ("plain_tiles", "bfloat16")):
        among = choice.candidates(choice.paths_named(isa), precision)
        found = choice.choose(among, lambda: pytest.fail("measured"))
        assert (found.isa, found.times) == (isa, {})


def test_int8_is_never_chosen_by_itself_and_needs_a_path_of_its_own() -> None:
    assert {one.precision for one in choice.candidates(FASTER, "auto")} == {"float32", "bfloat16"}
    own = [isa for isa in FASTER if same(isa, "int8")]
    assert [one.isa for one in choice.candidates(FASTER, "int8")] == own
    for isa in set(FASTER) - set(own):
        with pytest.raises(ConfigurationError, match=f"^BERT_ISA: {isa} has no int8; here plain, {', '.join(own)} can"):
            choice.candidates([isa], "int8")


def test_several_paths_may_be_named() -> None:
    assert choice.paths_named(" avx2 , plain,amx_bf16,avx512") == [
        isa for isa in ("avx2", "avx512", "amx_bf16") if isa in FASTER
    ]
    assert choice.paths_named("plain, plain_tiles") == ["plain"]


def broken(monkeypatch: pytest.MonkeyPatch, *isas: str) -> None:
    """These paths give other vectors than the plain one."""
    sound = selfcheck._states

    def states(weights: Weights, isa: str, longest: int) -> np.ndarray:
        return sound(weights, isa, longest) * (1.5 if isa in isas else 1)

    monkeypatch.setattr(selfcheck, "_states", states)


@needs_two
def test_a_wrong_path_is_left_out_with_a_warning_and_the_next_one_serves(
    small: Checkpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sound = encoders.plan(small, cache=str(tmp_path)).native
    assert sound is not None
    broken(monkeypatch, sound.isa)
    with capture_logs() as lines:
        plan = encoders.plan(small, cache=str(tmp_path))
    assert plan.native is not None
    assert plan.native.isa != sound.isa
    warned = [line for line in lines if line["event"] == "a path is left out"]
    assert (warned[0]["log_level"], warned[0]["isa"]) == ("warning", sound.isa)
    assert "gives other vectors than the plain one" in warned[0]["reason"]
    encoders.open_encoder(plan)


def test_a_wrong_path_that_is_named_ends_the_start(
    small: Checkpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Even where the same path is sound in the other precision; of several, if all are wrong."""
    broken(monkeypatch, *FASTER)
    for isa in (FASTER[-1], "avx2", "avx2,avx512", "auto"):
        with pytest.raises(ConfigurationError, match=f"^BERT_ISA: '{isa}' cannot be used: .* other vectors than"):
            encoders.plan(small, isa=isa, engine="native", cache=str(tmp_path))


def test_a_worker_never_chooses(small: Checkpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A fleet has one kind of bits: a worker whose own check fails is refused."""
    plan = encoders.plan(small, cache=str(tmp_path))
    assert plan.native is not None
    broken(monkeypatch, plan.native.isa)
    with pytest.raises(ModelRefusedError, match="gives other vectors than the plain one on this machine"):
        encoders.open_encoder(plan)


START = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
from app.encoder.native import choice, library
from app.encoder.native.layout import Shape
from app.encoder.native.trial import Candidate
from app.encoder.native.structs import Weights
paths = [isa for isa in library.paths() if isa not in choice.PLAIN]
shape, among = Shape(384, 1536, 6, 12, 97, 512, 2), choice.candidates(paths, "auto")
found = [choice.choose(among, lambda: choice.measured(shape, "gelu", None)) for _ in range(10)]
print(*{(one.isa, one.precision) for one in found}, sep=";")
"""


@pytest.mark.long
def test_beside_a_busy_core_every_start_gives_the_same_answer() -> None:
    """Ten measurements each in two processes that share one core with this one's busy thread."""
    core = str(min(os.sched_getaffinity(0)))
    busy = subprocess.Popen([sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"])
    try:
        starts = [
            subprocess.Popen([sys.executable, "-c", START, core], stdout=subprocess.PIPE, text=True) for _ in range(2)
        ]
        answers = {start.communicate(timeout=120)[0].strip() for start in starts}
    finally:
        busy.kill()
        busy.wait()
    assert len(answers) == 1
    assert ";" not in answers.pop()
