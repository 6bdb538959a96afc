"""What is computed from a measurement: waiting times beside the formulas, replicas, and what binds."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from app.capacity import forecast as forecasts
from app.capacity import texts
from app.capacity.forecast import forecast, last_cache_bytes
from app.capacity.measured import Measured
from app.capacity.queueing import latency_ms, of_ordered

SERVICE_MS = 2.0
EXPONENTIAL = [random.Random(number).expovariate(1 / SERVICE_MS) for number in range(50_000)]
MEASURED = Measured(
    model="m",
    engine="native",
    precision="bfloat16",
    isa="avx2",
    tokens=22,
    cores=2,
    requests_per_s=500.0,
    cpu_ms=SERVICE_MS,
    forward_ms=1.0,
    had=0.9,
    service_ms=(SERVICE_MS,) * 100,
    shared_bytes=80_000_000,
    worker_bytes=5_000_000,
    request_bytes=300,
    answer_bytes=4_700,
    weights_bytes=46_000_000,
)


@pytest.mark.parametrize("busy", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("workers", [1, 4])
def test_times_of_any_spread_wait_as_the_formula_says(busy: float, workers: int) -> None:
    """M/M/1: the time in the system is exponential, too, with a mean of 1 / (μ − λ); workers are so many of them."""
    mean_ms = SERVICE_MS / (1 - busy)
    found_ms = latency_ms(EXPONENTIAL, workers, workers * busy / SERVICE_MS * 1e3, 99)
    assert found_ms == pytest.approx(mean_ms * math.log(100), rel=0.2)


def test_equal_times_wait_less_and_alone_nobody_waits() -> None:
    equal_ms, any_ms = (latency_ms(times, 1, 400, 99) for times in ([SERVICE_MS], EXPONENTIAL))
    assert SERVICE_MS < equal_ms < 0.6 * any_ms
    assert latency_ms([SERVICE_MS], 1, 0.01, 99) == pytest.approx(SERVICE_MS)


def test_what_waits_for_a_long_request_is_passed_on() -> None:
    """So workers with requests that are long are nearly one queue, where those with short ones are one each."""
    each_ms, long_ms = latency_ms([15.0], 4, 133, 99) / 15, latency_ms([150.0], 4, 13.3, 99) / 150
    one_ms = latency_ms([150.0], 1, 13.3 / 4, 99) / 150
    assert 1 <= long_ms < 0.7 * each_ms
    assert each_ms == pytest.approx(one_ms, rel=0.3)


@pytest.mark.parametrize(("percent", "found"), [(0, 1), (50, 3), (99, 5), (100, 5)])
def test_percentiles(percent: float, found: int) -> None:
    assert of_ordered([1, 2, 3, 4, 5], percent) == found


@pytest.mark.parametrize(("rate_per_s", "replicas"), [(1, 1), (700, 1), (701, 2), (7000, 10), (7_000_000, 10_000)])
def test_cores_are_seventy_percent_busy_at_most(rate_per_s: float, replicas: int) -> None:
    found = forecast(MEASURED, rate_per_s, None, 2)
    assert found
    assert (found.replicas, found.binds_first) == (replicas, "cores")
    assert found.busy == pytest.approx(rate_per_s / replicas / 1000)
    assert found.memory_bytes == 90_000_000
    assert found.network_bytes_per_s == pytest.approx(rate_per_s / replicas * 5_000)
    assert found.weights_bytes_per_s == pytest.approx(rate_per_s / replicas * 46e6)


def test_larger_replicas_are_fewer() -> None:
    found = forecast(MEASURED, 7000, None, 8)
    assert found
    assert (found.replicas, found.cores, found.memory_bytes) == (3, 8, 120_000_000)


def test_a_latency_takes_more_of_them_and_no_more_than_it_takes() -> None:
    loose, tight = (forecast(MEASURED, 7000, p99_ms, 2) for p99_ms in (1000, 5))
    assert loose
    assert tight
    assert (loose.replicas, loose.binds_first) == (10, "cores")
    assert tight.binds_first == "latency"
    assert tight.p99_ms <= 5
    at_fewer_ms = latency_ms(MEASURED.service_ms, 2, 7000 / (tight.replicas - 1), 99)
    assert at_fewer_ms > 5
    assert forecast(MEASURED, 7000, 1.9, 2) is None, "a request alone takes 2 ms"


def test_what_else_may_bind(monkeypatch: pytest.MonkeyPatch) -> None:
    found = forecast(replace(MEASURED, answer_bytes=1_000_000), 700, None, 2)
    assert found
    assert (found.binds_first, found.replicas) == ("network", 9)
    assert 0.6 < found.network_share < 0.7
    monkeypatch.setattr(forecasts, "_memory_bytes", lambda: 64_000_000)
    found = forecast(MEASURED, 700, None, 2)
    assert found
    assert found.binds_first == "memory"


@pytest.mark.parametrize(("busy", "mean_ms"), [(0.1, 4.0), (0.5, 4.0), (0.75, 3.0), (1.0, 2.0), (1.3, 2.0)])
def test_between_half_and_all_times_are_between(busy: float, mean_ms: float) -> None:
    measured = replace(MEASURED, service_ms=(3.0, 5.0))
    assert measured.service_at_ms(busy) == pytest.approx([0.75 * mean_ms, 1.25 * mean_ms])


def test_what_is_told_to_programs_has_no_thousands_of_numbers() -> None:
    told = MEASURED.told()
    assert "service_ms" not in told
    assert told["alone_p99_ms"] == SERVICE_MS


@pytest.mark.parametrize("tokens", [3, 22, 256])
def test_texts_have_exactly_so_many_tokens(tokens: int) -> None:
    """Of a tokenizer that makes two of each long word."""

    def count(wanted: list[str]) -> list[int]:
        return [2 + sum(1 + (len(word) > 6) for word in text.split()) for text in wanted]

    found = texts.written(8, tokens, count)
    assert count(found) == [tokens] * 8
    if tokens > 3:
        assert len(set(found)) == 8


def test_a_length_that_no_text_has_is_refused() -> None:
    with pytest.raises(ValueError, match="no text has 2 tokens"):
        texts.written(2, 2, lambda wanted: [2 + len(text.split()) for text in wanted])


def test_the_last_cache_is_found(tmp_path: Path) -> None:
    assert last_cache_bytes(tmp_path) is None
    for index, (level, size) in enumerate([("1", "48K"), ("3", "1024K"), ("2", "2048K"), ("4", "odd")]):
        cache = tmp_path / f"index{index}"
        cache.mkdir()
        (cache / "level").write_text(f"{level}\n")
        (cache / "size").write_text(f"{size}\n")
    assert last_cache_bytes(tmp_path) == 1024 * 1024
