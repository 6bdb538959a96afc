"""The numbers behind the metrics: across processes, across a successor, in a row that is full."""

from __future__ import annotations

import mmap
import os
import signal
import time
from collections.abc import Iterator

import prometheus_client.values
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families

from app.fleet.board import Board
from app.fleet.metrics import register, rows, series
from app.fleet.metrics.moves import Moves
from app.fleet.metrics.processes import ProcessorTime
from app.fleet.metrics.register import Metrics, Reason
from app.fleet.metrics.scrape import FleetCollector, render
from app.fleet.metrics.series import SPILLED, Store
from tests.kit.fleet import wait_for


@pytest.fixture(autouse=True)
def plain_again() -> Iterator[None]:
    before = prometheus_client.values.ValueClass, rows._values, register._of_fleet
    yield
    prometheus_client.values.ValueClass, rows._values, register._of_fleet = before


def page(found: Metrics) -> dict[str, float]:
    text = render(found, FleetCollector(Board(), {}, 0), "")[0].decode()
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.startswith("bert_worker") or sample.name.startswith("bert_worker_restarts")
    }


def in_worker(store: Store, slot: int, *statuses: str) -> None:
    """A worker of this slot that answers such requests, and is killed."""
    child = os.fork()
    if child == 0:
        rows.join(store, slot)
        found = register.of_process()
        for status in statuses:
            found.requests.labels("/r", "GET", status).inc()
            found.request_seconds.labels("/r", "2xx").observe(0.003)
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)


def test_one_page_for_all_processes_whoever_shows_it() -> None:
    store = Store(8)
    master = register.of_master(store)
    in_worker(store, 0, "200", "200")
    in_worker(store, 1, "200", "418")
    in_worker(store, 0, "200")  # the successor goes on
    master.restarts.labels(Reason.SIGNAL.value).inc(2)
    rows.join(store, 2)
    own = register.of_process()
    assert own is master
    own.requests.labels("/r", "GET", "200").inc()
    shown = page(own)
    named = "bert_requests_total[('method', 'GET'), ('route', '/r'), ('status', '{}')]"
    assert (shown[named.format(200)], shown[named.format(418)]) == (5, 1)
    assert shown["bert_worker_restarts_total[('reason', 'signal')]"] == 2
    assert shown["bert_worker_restarts_total[('reason', 'unborn')]"] == 0
    assert shown["bert_request_duration_seconds_count[('route', '/r'), ('status', '2xx')]"] == 5
    assert shown["bert_request_duration_seconds_sum[('route', '/r'), ('status', '2xx')]"] == pytest.approx(0.015)
    bucket = "bert_request_duration_seconds_bucket[('le', '{}'), ('route', '/r'), ('status', '2xx')]"
    assert [shown[bucket.format(bound)] for bound in ("0.0025", "0.005", "+Inf")] == [0, 5, 5]


def test_a_full_list_costs_the_series_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "KEYS_BYTES", 200)
    store = Store(2)
    value = series.value_class(store, 0)
    many = [value("counter", "m", "m_total", ["a"], [str(number)], "help") for number in range(50)]
    for one in many:
        one.inc(1)
    kept = [one for one in many if one.get() == 1]
    assert 5 < len(kept) < 50
    assert store.row(0)[SPILLED] == 50 - len(kept)
    assert len(store.keys()) == len(kept)


def test_a_worker_beyond_the_rows_serves_uncounted(capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(3)
    rows.join(store, 2)
    found = Metrics()
    found.requests.labels("/r", "GET", "200").inc()
    assert "not counted" in "".join(capsys.readouterr())
    assert not any(value for name, value in page(found).items() if name.startswith("bert_requests"))


def test_what_is_unseen_is_not_counted() -> None:
    found = register.of_master(Store(2))
    with rows.unseen():
        found.requests.labels("/r", "GET", "200").inc()
    counted = "bert_requests_total[('method', 'GET'), ('route', '/r'), ('status', '200')]"
    assert page(found)[counted] == 0
    found.requests.labels("/r", "GET", "200").inc()
    assert page(found)[counted] == 1


def test_a_successor_goes_on_with_the_same_numbers_beside_its_predecessor() -> None:
    old = Store(4)
    counted = series.value_class(old, 0)("counter", "m", "m_total", (), ())
    counted.inc(5)
    new = Store.inherited(3, old.bequeath())
    assert new.size == 4
    successors = series.value_class(new, 0)("counter", "m", "m_total", (), ())
    assert successors.get() == 5
    successors.inc(2)
    counted.inc(1)
    assert (counted.get(), successors.get()) == (8, 8), "on one page, whoever shows it"
    third = Store.inherited(4, new.bequeath())
    assert third.row(0)[0] == 6, "once the first has gone, its rows go on"


@pytest.mark.parametrize("heritage", ["", "x", "999,1", "1"])
def test_where_nothing_can_be_inherited_numbers_begin_anew(heritage: str) -> None:
    assert Store.inherited(3, heritage).size == 3


def test_a_predecessor_that_has_too_few_rows_keeps_its_numbers() -> None:
    old = Store(2)
    series.value_class(old, 0)("counter", "m", "m_total", (), ()).inc(5)
    copy = os.dup(old._file or 0)
    assert not Store.inherited(3, f"{copy},1").keys()


def test_what_a_predecessor_labelled_otherwise_is_left_out() -> None:
    store = Store(2)
    series.value_class(store, 0)("counter", "bert_errors", "bert_errors_total", ("a", "b"), ("x", "y")).inc(5)
    found = register.of_master(store)
    assert not any(name.startswith("bert_errors_total") for name in page(found))


@pytest.mark.parametrize("is_shared", [True, False])
@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_the_page_is_the_library_s(accept: str, *, is_shared: bool) -> None:
    """Of the library of the lock, whose own attributes are read; to the number, in both formats."""
    found = register.of_master(Store(3)) if is_shared else Metrics()
    found.requests.labels("/a", "GET", "200").inc(3)
    found.requests.labels('/"\\', "GET", "200").inc(1e17)
    for seconds in (0.0001, 0.3, 99.0):
        found.request_seconds.labels("/a", "2xx").observe(seconds)
        found.embedding_seconds.observe(seconds)
    fleet = FleetCollector(Board(), {}, 0)
    page, content_type = render(found, fleet, accept)
    expected = CollectorRegistry()
    for metric in found.all:
        expected.register(metric)
    encode, expected_type = choose_encoder(accept)
    assert content_type == expected_type
    theirs, own = encode(expected).decode().splitlines(), page.decode().splitlines()
    assert len(theirs) > 200
    assert [line for line in theirs if line not in own] == []
    assert own.count("# EOF") == theirs.count("# EOF") == bool(accept)
    assert "te_embed_duration_count 3.0" in own
    assert 'te_request_duration_bucket{le="0.5"} 2.0' in own
    found.requests.labels("/late", "GET", "200").inc()
    assert b'bert_requests_total{method="GET",route="/late",status="200"} 1.0' in render(found, fleet, accept)[0]


def test_processor_time_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Metrics()
    counted = ProcessorTime(found.cpu_seconds)
    child = os.fork()
    if child == 0:
        until_s = time.process_time() + 0.1
        while time.process_time() < until_s:
            pass
        signal.pause()

    def is_counted() -> bool:
        counted.look([child])
        return bool(found.cpu_seconds._value.get() > 0.09)

    wait_for(is_counted, "its time")
    os.kill(child, signal.SIGKILL)
    before = found.cpu_seconds._value.get()
    os.waitpid(child, 0)
    counted.look([])
    assert before - 0.05 <= found.cpu_seconds._value.get() < before + 0.5


def test_what_a_killed_process_wrote_in_part_is_written_over() -> None:
    store = Store(1)
    store.place(("a", "b"))
    store._keys[4:8] = b"torn"
    assert store.place(("c", "d")) == 1
    assert store.keys() == {("a", "b"), ("c", "d")}


def test_processes_that_add_to_the_list_at_once_do_not_mix() -> None:
    store = Store(8)
    children = []
    for slot in range(4):
        children.append(os.fork())
        if children[-1] == 0:
            value = series.value_class(store, slot)
            for number in range(100):
                value("counter", "m", "m_total", ["a"], [str((number * (slot + 1)) % 101)], "help").inc(1)
            os._exit(0)
    for child in children:
        os.waitpid(child, 0)
    assert len(store.keys()) == len({(number * (slot + 1)) % 101 for number in range(100) for slot in range(4)})
    assert sum(map(store.sum, store.keys())) == 400


def test_one_who_was_stopped_while_he_added_holds_nobody_up() -> None:
    store = Store(2)
    store.place(("a", "b"))
    holder = os.fork()
    if holder == 0:
        with store._alone():
            os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(holder, os.WUNTRACED)
    assert store.place(("c", "d")) == SPILLED
    assert store.place(("a", "b")) == 0
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    assert store.place(("c", "d")) == 1, "the kernel lets go for whoever dies at it"


HISTOGRAMS = [(series_of, amount) for series_of in ("shared", "plain") for amount in (0.0, 0.0005, 0.0007, 3.0, 99.0)]


@pytest.mark.parametrize(("kind", "amount"), HISTOGRAMS)
def test_what_is_moved_fast_is_what_the_library_would_move(kind: str, amount: float) -> None:
    """It reaches into the library's own attributes: here it is held to the locked version."""
    if kind == "shared":
        rows.join(Store(2), 0)
    fast, slow = Metrics(), Metrics()
    move = Moves(fast)
    for _ in range(3):
        move.queue_seconds(amount)
        slow.queue_seconds.observe(amount)
        move.by_route("/r", 200, amount, 5, 7000)
        slow.request_seconds.labels("/r", "2xx").observe(amount)
        slow.payload_bytes.labels("/r").observe(5)
        slow.response_bytes.labels("/r").observe(7000)
        move.requests("/r", "GET", 200)
        slow.requests.labels("/r", "GET", "200").inc()
        move.inputs("single", "ok")
        slow.inputs.labels("single", "ok").inc()
        move.tokens(12)
        slow.tokens.inc(12)
    if kind == "plain":
        assert page(fast) == page(slow)
    else:
        both = page(fast)
        counted = "bert_requests_total[('method', 'GET'), ('route', '/r'), ('status', '200')]"
        assert both["bert_queue_seconds_count[]"] == both[counted] == 6
        assert both["bert_queue_seconds_sum[]"] == pytest.approx(6 * amount)
        assert all(value % 2 == 0 for name, value in both.items() if "_bucket" in name), "each of them twice"


def test_rows_that_are_taken_at_once_are_all_in_the_sums() -> None:
    """As workers are born: each takes its own, at the same moment, and moves a number in it."""
    stores = [Store(3) for _ in range(300)]
    places = [store.place(("m", "m_total")) for store in stores]
    reached = memoryview(mmap.mmap(-1, 16)).cast("q")
    children = []
    for slot in range(2):
        children.append(os.fork())
        if children[-1] == 0:
            for number, (store, place) in enumerate(zip(stores, places, strict=True), 1):
                reached[slot] = number
                while reached[1 - slot] < number:
                    pass
                store.row(slot)[place] += 1
            os._exit(0)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    assert [store.totals()[place] for store, place in zip(stores, places, strict=True)] == [2] * 300
