"""Who waits too long is told so, and probes do not wait: the rules, and loops on a loopback socket."""

from __future__ import annotations

import socket
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from app.fleet.board import Board
from app.fleet.traffic import ANSWERED, AT_WORK, GIVEN, MOST_RETRY_AFTER_S, TAKEN, WINDOW_S, Pace
from app.request_errors import ClientGoneError, DeadlineError, OverloadedError, RequestError
from app.server import watch
from app.server.admission import TIMEOUT, Admission, timeout_s
from app.server.passing_on import Comer, Handing
from app.server.shedding import whole_request
from app.server.shift import AFTER_S, IDLE_S, TICK_S, Shift
from app.server.sorting import probe_pattern
from app.server.watch import Watch
from tests.unit.loops import GET, received, serving, two_workers

PROBE = GET.replace(b"/ ", b"/probe ", 1)
WAIT = GET.replace(b"/ ", b"/wait ", 1)
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"


def admission(max_queue_s: float = 0.15) -> Admission:
    return Admission(max_queue_s, frozenset({"/probe"}), lambda: 7)


@pytest.mark.parametrize(
    ("path", "told", "waited_s", "expected"),
    [
        ("/", None, 0.1, None),
        ("/", None, 0.2, OverloadedError),
        ("/probe", None, 100.0, None),
        ("/probe", "1", 100.0, None),
        ("/", "50", 0.04, None),
        ("/", "50", 0.1, DeadlineError),
        ("/", "500", 0.2, OverloadedError),
        ("/", "nonsense", 0.1, None),
    ],
)
def test_by_how_long_it_has_waited(
    path: str, told: str | None, waited_s: float, expected: type[RequestError] | None
) -> None:
    environ = {"PATH_INFO": path, "REQUEST_METHOD": "POST"} | ({TIMEOUT: told} if told else {})
    found = admission().refusal(environ, waited_s)
    assert type(found) is (expected or type(None))
    assert admission().refusal(environ | {"REQUEST_METHOD": "OPTIONS"}, waited_s) is None, "a browser's question"


def test_without_a_limit_nobody_waits_too_long() -> None:
    environ = {"PATH_INFO": "/", "REQUEST_METHOD": "POST"}
    assert admission(0).refusal(environ, 1e6) is None
    assert isinstance(admission(0).refusal(environ | {TIMEOUT: "50"}, 1), DeadlineError)


@pytest.mark.parametrize("told", ["", "0", "-1", "1.5", "1e3", " 5", "5 ", "٣", "9999999999", "050"])
def test_what_is_no_time(told: str) -> None:
    assert timeout_s({TIMEOUT: told}) is None


def test_a_time_is_in_milliseconds() -> None:
    assert timeout_s({TIMEOUT: "1500"}) == 1.5
    assert timeout_s({}) is None


def test_a_look_tells_that_a_request_s_own_time_is_over() -> None:
    look = Watch(5).look(lambda: False, own_s=0.5, waited_s=0.45)
    look()
    time.sleep(0.06)
    with pytest.raises(DeadlineError, match="500 ms"):
        look()


def test_a_look_asks_now_and_then_whether_the_client_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not each time: who waits for the interpreter may demand it after 5 ms in which nobody has let go of it."""
    asked: list[float] = []
    now_s = 100.0
    monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=lambda: now_s))

    def is_gone() -> bool:
        asked.append(now_s)
        return False

    look = Watch(0).look(is_gone)
    for _ in range(200):
        now_s += 0.001
        look()
    assert 5 <= len(asked) <= 8
    assert min(later - sooner for sooner, later in pairwise(asked)) > 4 * sys.getswitchinterval()


def test_a_look_lets_another_thread_go_on_half_of_the_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, slept_s = 100.0, 0.0

    def sleep(seconds: float) -> None:
        nonlocal now_s, slept_s
        now_s, slept_s = now_s + seconds, slept_s + seconds

    monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=lambda: now_s, sleep=sleep))
    one = Watch(0)
    look = one.look(lambda: False)
    look()
    assert slept_s == 0
    one.is_wanted = lambda: True
    for _ in range(1000):
        now_s += 0.001
        look()
    assert 0.8 < slept_s < 1.1
    wanted, slept_s = iter([True, True, True, False]), 0.0
    one.is_wanted = lambda: next(wanted, False)
    now_s += 1
    look()
    assert slept_s == 2 * watch.STEP_S


@pytest.mark.parametrize(
    ("data", "path", "name"),
    [
        (POST, "/", None),
        (GET, "/", None),
        (POST.replace(b"/ ", b"/a?b=c ", 1), "/a", None),
        (POST.replace(b"Host: x", b"x-request-ID:  me \r\nHost: x"), "/", "me"),
    ],
)
def test_a_whole_request_is_seen_as_one(data: bytes, path: str, name: str | None) -> None:
    found = whole_request(data)
    assert found
    assert (found["PATH_INFO"], found.get("HTTP_X_REQUEST_ID")) == (path, name)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        POST[:-1],
        POST + b"x",
        POST + POST,
        GET[:-2],
        POST.replace(b"Host: x", b"Transfer-Encoding: chunked"),
        POST.replace(b"Host: x", b"expect: 100-continue"),
        POST.replace(b"Host: x", b"Upgrade: h2c"),
        POST.replace(b"3", b"3, 3"),
        POST.replace(b"Content-Length: 3", b"Content-Length: -3"),
        POST.replace(b"/ ", b"/%41 ", 1),
        POST.replace(b"HTTP/1.1", b"HTTP/1.0"),
        b"PROXY TCP4 1.2.3.4 5.6.7.8 80 8000\r\n" + POST,
    ],
)
def test_anything_else_is_left_to_the_parser(data: bytes) -> None:
    assert whole_request(data) is None


def test_a_hostile_head_costs_no_more_than_it_is_long() -> None:
    """Minutes, were the spaces of a value matched in more than one way."""
    for begun in (b"x-request-id:", b"x-request-id: a", b"origin:"):
        head = GET[:-2] + begun + b" " * 60_000
        assert whole_request(head + b"\nfoo: bar\r\n\r\n") is not None
        assert whole_request(head + b"\r\n\r\n") is not None


def test_what_begins_a_probe() -> None:
    pattern = probe_pattern(["/livez", "/readyz"])
    for begun in (
        b"GET /livez HTTP/1.1",
        b"HEAD /readyz?verbose HTTP",
        b"PROXY TCP4 a b 1 2\r\nGET /livez HTTP/1.1",
        b"OPTIONS /a",
    ):
        assert pattern.match(begun)
    for begun in (b"", b"GET /livezz HTTP/1.1", b"POST /livez HTTP", b"GET /predict HTTP", b"GET /live"):
        assert not pattern.match(begun)
    assert not probe_pattern([]).match(b"GET / HTTP/1.1")


def test_a_rate_is_what_all_workers_answered_lately() -> None:
    traffic = Board().traffic
    pace = Pace(traffic)
    assert pace.retry_after_s(5, 100.0) == WINDOW_S, "nothing is known yet"
    traffic.row(0)[ANSWERED] += 30
    traffic.row(3)[ANSWERED] += 10
    assert pace.retry_after_s(100, 102.0) == 5
    assert pace.retry_after_s(1, 102.1) == 1
    for now_s in (104.0, 106.0, 108.0):
        pace.look(now_s)
    assert pace.retry_after_s(100, 110.0) == WINDOW_S, "nothing was answered in the last seconds"
    traffic.row(0)[ANSWERED] += 1
    assert pace.retry_after_s(1000, 110.5) == MOST_RETRY_AFTER_S


def test_what_is_counted_of_a_slot_outlives_its_worker_but_for_what_it_was_at() -> None:
    board = Board()
    row = board.traffic.row(2)
    row[AT_WORK], row[ANSWERED], row[GIVEN] = 3, 5, 2
    board.traffic.row(4)[TAKEN] = 1
    board.traffic.row(4)[AT_WORK] = 1
    traffic = board.traffic
    assert (traffic.busy(), traffic.at_work(), traffic.answered(), traffic.passed_on()) == (2, 4, 5, 1)
    board.clear(2)
    assert (traffic.busy(), traffic.at_work(), traffic.answered(), traffic.passed_on()) == (1, 1, 5, 1)


def test_who_was_passed_on_unread_is_taken_in_turn_and_seen_to_have_waited() -> None:
    handing = Handing()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        clients = [socket.create_connection(listener.getsockname()) for _ in range(2)]
        assert handing.oldest_waited_s() == 0
        for client in clients:
            client.sendall(GET)
            sock, (host, port) = listener.accept()
            assert handing.give_unread(Comer(sock, (host, str(port))))
            sock.close()
            time.sleep(0.1)
        assert 0.15 < handing.oldest_waited_s() < 5
        for client in clients:
            comer = handing.take()
            assert comer
            assert (comer.client, comer.is_used, comer.raw) == (("127.0.0.1", str(client.getsockname()[1])), False, b"")
            assert comer.sock.recv(1000) == GET
            comer.sock.close()
            client.close()
        assert handing.take() is None
        assert (handing.traffic[GIVEN], handing.traffic[TAKEN]) == (2, 2)
    handing.close()


@pytest.mark.parametrize("pieces", [[POST], [POST[:20], POST[20:]]])
def test_whoever_takes_up_what_has_waited_too_long_says_so(pieces: list[bytes]) -> None:
    with serving(admission=admission()) as served:
        busy = served.connected(WAIT)
        time.sleep(0.1)
        late = served.connected(pieces[0])
        for piece in pieces[1:]:
            time.sleep(0.05)
            late.sendall(piece)
        time.sleep(0.3)
        served.service.go.set()
        answer = received(late)
        assert answer.startswith(b"HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\n")
        assert b"\r\nRetry-After: 7\r\n" in answer
        assert b"/|more requests come than this service can answer" in answer
        assert received(busy, 0.2).endswith(b"hello")
        assert served.asked().endswith(b"hello")
        assert served.service.answered == 2


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_refusal_is_one_to_a_page_and_to_who_asks_for_the_head_alone(pieces: int) -> None:
    asked = b"HEAD / HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\r\n"
    with serving(admission=admission()) as served:
        busy = served.connected(WAIT)
        time.sleep(0.1)
        late = served.connected(asked if pieces == 1 else asked[:9])
        if pieces == 2:
            time.sleep(0.05)
            late.sendall(asked[9:])
        time.sleep(0.3)
        served.service.go.set()
        head, _, body = received(late).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 429")
        assert b"\r\nAccess-Control-Allow-Origin: https://a.example\r\n" in head
        assert body == b""
        assert received(busy, 0.2).endswith(b"hello")


def test_more_than_may_be_connected_are_not_even_while_nobody_can_answer() -> None:
    with serving(threads=2, connections=5, admission=admission(5)) as served:
        busy = [served.connected(WAIT) for _ in range(2)]
        time.sleep(0.1)
        begun = [served.connected(PROBE[:-2]) for _ in range(20)]
        time.sleep(0.5)
        assert len(served.loop._clients) <= 5
        served.service.go.set()
        assert all(received(sock).endswith(b"hello") for sock in busy)
        assert sum(bool(received(sock, 0.01)) for sock in begun) == 0


def test_who_was_turned_away_in_the_last_second_is_told_of_too() -> None:
    with capture_logs() as lines:
        with serving(admission=admission()) as served:
            busy = served.connected(WAIT)
            time.sleep(0.1)
            late = served.connected(POST)
            time.sleep(0.3)
            served.service.go.set()
            assert received(late).startswith(b"HTTP/1.1 429")
            assert received(busy, 0.2).endswith(b"hello")
        told = [line for line in lines if line["event"] == "requests turned away"]
    assert [(line["reason"], line["requests"]) for line in told] == [("overloaded", 1)]


def test_an_expired_deadline_is_told_and_a_gone_client_is_not_computed_for() -> None:
    with serving(admission=admission(0)) as served:
        busy = served.connected(WAIT)
        time.sleep(0.1)
        late = served.connected(POST.replace(b"Host: x", b"X-Request-Timeout-Ms: 100\r\nX-Request-Id: mine\r\nHost: x"))
        patient = served.connected(POST)
        served.connected(POST).close()
        time.sleep(0.3)
        served.service.go.set()
        answer = received(late)
        assert answer.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
        assert b"\r\nX-Request-Id: mine\r\n" in answer
        assert answer.endswith(b"|mine")
        assert b"Retry-After" not in answer
        assert received(patient, 0.2).endswith(b"abc")
        assert served.service.waited_s > 0.15
        assert received(busy, 0.2).endswith(b"hello")
        assert served.service.answered == 2


@pytest.mark.parametrize("threads", [1, 2])
def test_while_nobody_can_answer_probes_are_answered_and_who_is_too_late_is_refused(threads: int) -> None:
    """By the attendants; and where a process has several threads, by its loop."""
    if threads == 1:
        with two_workers(admission=admission()) as (first, second, connected):
            busy = [connected(WAIT) for _ in range(2)]
            time.sleep(0.4)
            assert first.service.waits
            assert second.service.waits
            _probe_and_be_refused(connected)
            for worker in (first, second):
                worker.service.go.set()
            assert all(received(sock).endswith(b"hello") for sock in busy)
    else:
        with serving(threads=2, admission=admission()) as served:
            busy = [served.connected(WAIT) for _ in range(2)]
            time.sleep(0.1)
            _probe_and_be_refused(served.connected)
            served.service.go.set()
            assert all(received(sock).endswith(b"hello") for sock in busy)


def _probe_and_be_refused(connected: object) -> None:
    assert callable(connected)
    late = connected(POST)
    probes = [connected(PROBE) for _ in range(3)]
    assert all(received(sock, 1).endswith(b"hello") for sock in probes)
    assert received(late, 2).startswith(b"HTTP/1.1 429")


def test_who_waits_is_passed_on_to_whoever_is_free_first() -> None:
    with two_workers(admission=admission(5)) as (first, second, connected):
        busy = [connected(WAIT) for _ in range(2)]
        time.sleep(0.4)
        waiting = connected(POST)
        time.sleep(0.3)
        second.service.go.set()
        assert received(waiting, 1).endswith(b"abc")
        assert second.service.waited_s > 0.2
        assert first.service.waits
        first.service.go.set()
        assert all(received(sock).endswith(b"hello") for sock in busy)


def test_over_a_unix_socket_nobody_is_too_old(tmp_path: Path) -> None:
    with serving(admission=admission(0.01), unix=str(tmp_path / "sock")) as served:
        served.connected(WAIT)
        time.sleep(0.1)
        late = served.connected(POST)
        time.sleep(0.1)
        served.service.go.set()
        assert received(late).endswith(b"abc")


def test_the_reasons_are_those_of_the_metrics() -> None:
    assert [error.kind for error in (OverloadedError, DeadlineError, ClientGoneError)] == [
        "overloaded",
        "deadline",
        "client_gone",
    ]


def test_the_attendant_looks_seldom_while_nobody_comes_and_is_woken_by_the_first_who_does() -> None:
    rung: list[bool] = []
    shift = Shift(lambda: False)
    shift.wake = lambda: rung.append(True)

    def request(*, looks: bool) -> None:
        shift.turn.acquire()
        shift.away()
        if looks:
            assert 0 < shift.stand_in() <= AFTER_S
        shift.back()
        shift.turn.release()

    assert shift.stand_in() == IDLE_S
    request(looks=True)
    request(looks=False)
    assert rung == [True], "once; then it looks often"
    assert shift.stand_in() == TICK_S
    request(looks=False)
    assert shift.stand_in() == TICK_S
    assert shift.stand_in() == IDLE_S
    request(looks=True)
    assert rung == [True, True]
