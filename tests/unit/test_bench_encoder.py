"""The arithmetic of `make bench-encoder`: medians and ratios, stages, likeness of vectors, the calls of the kernel."""

from __future__ import annotations

import gettext
from pathlib import Path

import numpy as np
import pytest

from app.encoder.native.forward import CALL_TOKENS
from tests.bench.encoder import agreement, corpus
from tests.bench.encoder.figures import Yardsticks, parts, share, timings
from tests.bench.encoder.native import laid_out
from tests.bench.encoder.timing import Visit
from tests.bench.encoder.workloads import Workload
from tests.kit.arithmetic import core_peaks

NATIVE = {"float32": "native fast"}
OWN = {"native fast": {"float32": 200.0}}


def visit(engine: str, *calls_ms: float, cpu_ms: float = 0.0, precision: str = "float32") -> Visit:
    return Visit(engine, precision, "22", list(calls_ms), cpu_ms)


def test_a_time_is_the_median_over_rounds_of_each_rounds_median() -> None:
    visits = [visit("other", 2, 30), visit("other", 10), visit("other", 4, 6, 5), visit("native fast", 5)]
    other, native = timings(visits, Yardsticks({"22": 1e9}, {"float32": 400.0}, OWN, NATIVE))
    assert (other.ms, other.least_ms, other.rounds, other.calls) == (10, 2, 3, 6)
    assert other.times_native == {"float32": 2.0}
    assert (native.ms, native.times_native) == (5, {"float32": 1.0})
    # A path is held against its own instructions, other engines against the best path's.
    assert [native.share_of_peak, other.share_of_peak] == pytest.approx([1.0, 0.25])


def test_without_a_native_engine_or_a_peak_there_is_no_ratio_and_no_share() -> None:
    (other,) = timings([visit("other", 3, cpu_ms=1.5)], Yardsticks({"22": 1e9}, {}, {}, NATIVE))
    assert (other.times_native, other.share_of_peak, other.stages, other.cores) == ({}, None, {}, 0.5)


def test_the_cores_peak_is_the_best_paths_in_each_precision() -> None:
    peaks = {"a": {"float32": 50.0, "bfloat16": 49.0}, "b": {"float32": 48.0, "bfloat16": 98.0}}
    assert core_peaks(peaks) == {"float32": 50.0, "bfloat16": 98.0}
    assert share(5e9, 100, 50.0) == pytest.approx(1.0)


def test_stages_are_parts_of_the_sum_of_their_medians() -> None:
    assert parts([{"qkv": 3, "pool": 1}, {"qkv": 90, "pool": 1}, {"qkv": 2, "pool": 0}]) == {"qkv": 0.75, "pool": 0.25}
    assert parts([{}]) == {}


def test_likeness_of_vectors() -> None:
    one = np.array([[3, 4], [1, 0], [0, 2]], np.float32)
    other = np.array([[6, 8], [0, 1], [0, 2]], np.float32)
    assert agreement.cosines(one, other).tolist() == pytest.approx([1, 0, 1])
    assert agreement.largest_difference(one, other) == 4
    assert agreement.same_bits(one, other) == 1


def test_neighbours_are_compared_whatever_their_order() -> None:
    angles = np.array([0.0, 0.1, 0.3, 2.0])
    one = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert agreement.neighbour_overlap(one, one[:, ::-1], count=2) == 1
    assert agreement.neighbour_overlap(one, one[[0, 3, 2, 1]], count=1) < 1


@pytest.mark.parametrize(("count", "tokens", "calls"), [(1, 1, 1), (8, 22, 1), (32, 22, 3), (4, 242, 4), (1, 512, 1)])
def test_the_kernel_is_called_as_the_engine_calls_it(count: int, tokens: int, calls: int) -> None:
    ids = np.arange(count * tokens, dtype=np.int64).reshape(count, tokens)
    found = laid_out(Workload("", (), ids))
    assert len(found) == calls
    assert np.concatenate([flat for flat, _, _ in found]).tolist() == list(range(count * tokens))
    for flat, types, starts in found:
        assert len(flat) == len(types) == starts[-1] <= max(CALL_TOKENS, tokens)
        assert set(np.diff(starts).tolist()) == {tokens}
        assert {flat.dtype, types.dtype, starts.dtype} == {np.dtype(np.int32)}


def test_texts_are_spread_over_their_source() -> None:
    assert corpus.spread(map(str, range(10)), 3) == ["0", "3", "6"]
    assert corpus.spread(["a", "a", "b"], 3) == ["a", "b"]


def test_a_catalogue_that_cannot_be_read_gives_no_messages(tmp_path: Path) -> None:
    file = tmp_path / "broken.mo"
    file.write_bytes(b"no catalogue")
    with pytest.raises(OSError, match="magic"), file.open("rb") as opened:
        gettext.GNUTranslations(opened)
    assert list(corpus.translations(file)) == []


def test_real_texts_in_a_fixed_order() -> None:
    texts, sources = corpus.collect(50)
    assert len(set(texts)) == 50 == sum(sources.values())
    assert texts == corpus.collect(50)[0]
