"""The numbers behind the metrics: across processes, across a successor, in a row that is full."""

from __future__ import annotations

import os
from collections.abc import Iterator

import prometheus_client.values
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.fleet import metrics, series
from app.fleet.board import Board
from app.fleet.metrics import Metrics, Reason
from app.fleet.scrape import FleetCollector, render
from app.fleet.series import SPILLED, Store


@pytest.fixture(autouse=True)
def plain_again() -> Iterator[None]:
    before = prometheus_client.values.ValueClass, metrics._store
    yield
    prometheus_client.values.ValueClass, metrics._store = before


def page(found: Metrics) -> dict[str, float]:
    text = render(found, FleetCollector(Board(), {}, 0), "")[0].decode()
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def in_worker(store: Store, slot: int, *statuses: str) -> None:
    """A worker of this slot that answers such requests, and is killed."""
    child = os.fork()
    if child == 0:
        metrics.join(store, slot)
        found = Metrics()
        for status in statuses:
            found.requests.labels("/r", "GET", status).inc()
            found.request_seconds.labels("/r").observe(0.003)
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)


def test_one_page_for_all_processes_whoever_shows_it() -> None:
    store = Store(8)
    master = metrics.of_master(store)
    in_worker(store, 0, "200", "200")
    in_worker(store, 1, "200", "418")
    in_worker(store, 0, "200")  # the successor goes on
    master.restarts.labels(Reason.SIGNAL.value).inc(2)
    metrics.join(store, 2)
    own = Metrics()
    own.requests.labels("/r", "GET", "200").inc()
    shown = page(own)
    named = "bert_requests_total[('method', 'GET'), ('route', '/r'), ('status', '{}')]"
    assert (shown[named.format(200)], shown[named.format(418)]) == (5, 1)
    assert shown["bert_worker_restarts_total[('reason', 'signal')]"] == 2
    assert shown["bert_worker_restarts_total[('reason', 'unborn')]"] == 0
    assert shown["bert_request_duration_seconds_count[('route', '/r')]"] == 5
    assert shown["bert_request_duration_seconds_sum[('route', '/r')]"] == pytest.approx(0.015)
    bucket = "bert_request_duration_seconds_bucket[('le', '{}'), ('route', '/r')]"
    assert [shown[bucket.format(bound)] for bound in ("0.0025", "0.005", "+Inf")] == [0, 5, 5]


def test_a_full_row_costs_the_series_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "KEYS_BYTES", 200)
    store = Store(2)
    row = store.row(0)
    value = series.value_class(store, row)
    many = [value("counter", "m", "m_total", ["a"], [str(number)], "help") for number in range(50)]
    for one in many:
        one.inc(1)
    kept = [one for one in many if one.get() == 1]
    assert 5 < len(kept) < 50
    assert row.numbers[SPILLED] == 50 - len(kept)
    assert len(store.keys()) == len(kept)


def test_a_worker_beyond_the_rows_serves_uncounted(capsys: pytest.CaptureFixture[str]) -> None:
    metrics.join(Store(3), 2)
    Metrics().requests.labels("/r", "GET", "200").inc()
    assert "not counted" in "".join(capsys.readouterr())


def test_what_a_killed_process_wrote_in_part_is_written_over() -> None:
    row = Store(1).row(0)
    row.place(("a", "b"))
    row._keys[4:8] = b"torn"
    assert row.place(("c", "d")) == 1
    assert series.Row(_whole(row)).places() == {("a", "b"): 0, ("c", "d"): 1}


def _whole(row: series.Row) -> memoryview:
    """The row's memory as another process sees it."""
    return memoryview(bytes(row._key_bytes) + bytes(row.numbers) + bytes(row._keys))
