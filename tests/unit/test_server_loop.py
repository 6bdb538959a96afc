"""The loop on a loopback socket, with an application of a few lines: nobody can hold it up."""

from __future__ import annotations

import time

import pytest

from app.request_errors import ClientGoneError, OverdueError
from app.server import clients
from tests.unit.loops import BIG_BYTES, GET, received, serving, two_workers


@pytest.mark.parametrize("threads", [1, 3])
def test_one_after_another_on_one_connection(threads: int) -> None:
    with serving(threads=threads) as served, served.connected() as sock:
        for number in range(3):
            sock.sendall(GET)
            answer = received(sock, 0.2)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer.endswith(b"hello")
            assert b"Connection: keep-alive" in answer
            assert served.service.answered == number + 1


@pytest.mark.parametrize("threads", [1, 3])
def test_a_thousand_at_once_on_one_connection(threads: int) -> None:
    """No recursion, and in order."""
    with serving(threads=threads) as served:
        asks = b"".join(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n%03d" % each for each in range(1000))
        with served.connected(asks) as sock:
            answers = received(sock, 30, until=b"\r\n\r\n999")
        assert [part[:3] for part in answers.split(b"\r\n\r\n")[1:]] == [b"%03d" % each for each in range(1000)]


def test_a_request_in_pieces() -> None:
    with serving() as served, served.connected() as sock:
        for piece in (b"POST / HT", b"TP/1.1\r\nHost: x\r\nContent-", b"Length: 5\r\n\r\nhe", b"llo"):
            sock.sendall(piece)
            time.sleep(0.02)
        assert received(sock, 0.2).endswith(b"\r\n\r\nhello")


def test_who_expects_is_told_to_go_on() -> None:
    with serving() as served:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        with served.connected(head) as sock:
            assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            sock.sendall(b"tea__")
            assert received(sock, 0.2).endswith(b"\r\n\r\ntea__")


def test_what_http_wants_without_a_body() -> None:
    with serving() as served:
        head = served.asked(GET.replace(b"GET", b"HEAD"))
        assert b"Content-Length: 5\r\n" in head
        assert head.endswith(b"\r\n\r\n")
        assert b"Content-Length" not in served.asked(GET.replace(b"/ ", b"/none ", 1))
        assert served.asked(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200")


def test_a_failing_application_is_a_clean_500_and_tells_nothing() -> None:
    with serving() as served:
        answer = served.asked(GET.replace(b"/ ", b"/fail ", 1))
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"secret" not in answer
        assert served.asked().startswith(b"HTTP/1.1 200")


def test_slow_clients_hold_nobody_up_and_are_given_up() -> None:
    """In the head, in the body, silent, or slow to read."""
    with serving(client_s=1, body_bytes=BIG_BYTES) as served:
        body = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhe"
        begun = [served.connected(data) for data in [b"GET / HT", body, b""] * 10]
        readers = [served.connected(GET.replace(b"/ ", b"/big ", 1)) for _ in range(3)]
        time.sleep(0.1)
        started = time.monotonic()
        for _ in range(10):
            with served.connected(GET) as sock:
                assert sock.recv(100).startswith(b"HTTP/1.1 200")
        assert time.monotonic() - started < 1
        ends = [received(sock, 4) for sock in begun]
        assert [end[:12] for end in ends] == [b"HTTP/1.1 408", b"HTTP/1.1 408", b""] * 10
        for sock in readers:
            assert len(received(sock)) < BIG_BYTES
        assert time.monotonic() - started < 4


def test_many_who_send_a_part_do_not_close_the_door() -> None:
    with serving() as served:
        slow = [served.connected(b"GET") for _ in range(200)]
        started = time.monotonic()
        assert served.connected(GET).recv(100).startswith(b"HTTP/1.1 200")
        assert time.monotonic() - started < 1, "10 ms for each would be two seconds"
        assert len(slow) == 200


def test_there_is_always_room_for_another() -> None:
    with serving(connections=5) as served:
        slow = [served.connected(b"GET / HT") for _ in range(20)]
        time.sleep(0.3)
        assert served.asked().endswith(b"hello")
        assert sum(received(sock, 0.1) == b"" and sock.recv(1) == b"" for sock in slow[:10]) == 10, "the oldest went"


def test_a_large_body_may_take_longer_while_it_moves() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
    with serving(client_s=0.5, body_bytes=100_000) as served, served.connected(head) as sock:
        for _ in range(12):
            sock.sendall(b"a" * 5000)
            time.sleep(0.2)
        assert received(sock, 0.5).count(b"a" * 60_000) == 1


def test_a_large_answer_goes_on_while_it_is_read() -> None:
    with serving(client_s=0.5) as served, served.connected(GET.replace(b"/ ", b"/big ", 1)) as sock:
        got = 0
        while got < 20_000_000:
            got += len(sock.recv(1 << 17))
            time.sleep(0.005)
        assert served.asked().endswith(b"hello"), "others meanwhile"
        assert got + len(received(sock)) > BIG_BYTES


def test_too_much_that_nobody_reads_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "UNSENT_BYTES", BIG_BYTES)
    with serving(client_s=5) as served:
        readers = [served.connected(GET.replace(b"/ ", b"/big ", 1)) for _ in range(4)]
        time.sleep(2.5)
        whole = [len(received(sock)) > BIG_BYTES for sock in readers]
        assert 0 < sum(whole) < 4


def test_an_answer_reaches_who_is_still_sending() -> None:
    """As urllib does: all of the body first, then it reads."""
    with serving(body_bytes=1000) as served, served.connected() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n")
        time.sleep(0.1)
        sock.sendall(b"a" * 9_000_000)
        answer = received(sock, 3)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"Connection: close" in answer


def test_who_does_not_hang_up_is_hung_up_on() -> None:
    with serving() as served, served.connected(GET.replace(b"Host", b"Connection: close\r\nHost")) as sock:
        assert received(sock, 3).endswith(b"hello")
        with served.connected(b"nonsense\r\n\r\n") as other:
            assert b" 400 " in received(other, 3), "and the end, within the lingering second"


def test_who_has_gone_is_passed_over() -> None:
    with serving() as served:
        with served.connected(GET.replace(b"/ ", b"/wait ", 1)) as busy:
            time.sleep(0.1)
            for _ in range(3):
                served.connected(GET).close()
            served.service.go.set()
            assert received(busy, 0.3).endswith(b"hello")
        assert served.asked().endswith(b"hello")
        assert served.service.answered == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_a_long_request_looks_up(threads: int) -> None:
    with serving(timeout_s=1, threads=threads) as served:
        gone = served.connected(GET.replace(b"/ ", b"/look ", 1))
        time.sleep(0.1)
        gone.close()
        with served.connected(GET.replace(b"/ ", b"/look ", 1)) as stays:
            assert b" 500 " in received(stays, 2)
        assert [type(error) for error in served.service.ended] == [ClientGoneError, OverdueError]


def test_the_watch_tells_how_long_something_has_been_at_it() -> None:
    with serving() as served, served.connected(GET.replace(b"/ ", b"/wait ", 1)) as busy:
        time.sleep(0.5)
        assert 0.3 < time.monotonic() - served.watch.last_free_s() < 2
        assert len(served.watch.at_work()) == 1
        served.service.go.set()
        received(busy, 0.2)
        assert time.monotonic() - served.watch.last_free_s() < 0.1
        assert served.watch.at_work() == []


def test_a_connection_is_kept_only_while_nobody_else_waits() -> None:
    with serving() as served, served.connected(GET.replace(b"/ ", b"/wait ", 1)) as first, served.connected(GET):
        time.sleep(0.1)
        served.service.go.set()
        assert b"Connection: close" in received(first, 0.3)


def test_none_is_kept_if_that_is_not_wanted() -> None:
    with serving(keep_alive_s=0) as served:
        assert b"Connection: close" in served.asked()


def test_an_idle_connection_ends_in_its_time() -> None:
    with serving(keep_alive_s=1) as served, served.connected(GET) as sock:
        started = time.monotonic()
        assert b"Connection: keep-alive" in received(sock, 4)
        assert 0.9 < time.monotonic() - started < 3


def test_at_the_end_who_waits_is_answered_and_who_is_kept_may_ask_once_more() -> None:
    with serving() as served, served.connected(GET) as kept:
        assert received(kept, 0.2).endswith(b"hello")
        with served.connected(GET.replace(b"/ ", b"/wait ", 1)) as busy:
            time.sleep(0.1)
            waiting = [served.connected(GET) for _ in range(5)]
            served.service.is_draining, served.service.is_serving = True, False
            served.service.go.set()
            assert received(busy, 0.3).endswith(b"hello")
            assert all(received(sock, 0.5).endswith(b"hello") for sock in waiting)
        kept.sendall(GET)
        assert b"Connection: close" in received(kept, 1)


def test_while_a_thread_is_long_at_something_its_other_clients_are_passed_on() -> None:
    with two_workers() as (first, second, connected):
        wait = GET.replace(b"/ ", b"/wait ", 1)
        before = connected(wait)
        time.sleep(0.1)
        idle, busy = (first, second) if second.service.waits else (second, first)
        kept = connected(GET)
        assert received(kept, 0.2).endswith(b"hello")
        begun = connected(GET[:-2])
        time.sleep(0.1)
        blocked = connected(wait)
        time.sleep(0.1)
        assert idle.service.waits
        kept.sendall(GET)
        begun.sendall(GET[-2:])
        time.sleep(0.1)
        slow = connected(b"GET / HT")
        busy.service.go.set()
        assert all(received(sock, 0.5).endswith(b"hello") for sock in (before, kept, begun))
        assert (idle.service.answered, busy.service.answered) == (1, 3), "by the other, for this one is at it still"
        assert received(slow, 4).startswith(b"HTTP/1.1 408")
        idle.service.go.set()
        assert received(blocked, 0.3).endswith(b"hello")


def test_what_was_answered_is_not_passed_on_and_answered_again() -> None:
    """The next one's first bytes came with it."""
    with two_workers() as (first, second, connected):
        second.end()

        sock = connected(GET + GET[:10])
        assert received(sock, 0.2).count(b"HTTP/1.1 200") == 1
        blocked = connected(GET.replace(b"/ ", b"/wait ", 1))
        time.sleep(0.1)
        sock.sendall(GET[10:])
        assert received(sock, 2.5) == b"", "nor given up, though its client's time is over"
        first.service.go.set()
        assert received(sock, 0.5).count(b"HTTP/1.1 200") == 1
        assert received(blocked, 0.3).endswith(b"hello")
        assert first.service.answered == 3


def test_what_a_proxy_said_first_is_passed_on_too() -> None:
    with two_workers("auto") as (first, second, connected):
        wait = GET.replace(b"/ ", b"/wait ", 1)
        busy = connected(wait)
        time.sleep(0.1)
        proxied = connected(b"PROXY TCP4 1.2.3.4 5.6.7.8 80 8000\r\n" + GET[:-2])
        time.sleep(0.1)
        blocked = connected(wait)
        time.sleep(0.1)
        proxied.sendall(GET[-2:])
        time.sleep(0.1)
        for worker in (first, second):
            worker.service.go.set()
        assert received(proxied, 0.5).startswith(b"HTTP/1.1 200")
        assert {worker.service.client for worker in (first, second)} >= {"1.2.3.4"}
        assert received(busy, 0.2)
        assert received(blocked, 0.2)


def test_while_a_thread_is_long_at_something_others_are_read_written_and_given_up() -> None:
    with two_workers() as (first, second, connected):
        second.end()

        reader = connected(GET.replace(b"/ ", b"/big ", 1))
        assert reader.recv(1)
        slow = connected(b"GET / HT")
        time.sleep(0.1)
        blocked = connected(GET.replace(b"/ ", b"/wait ", 1))
        assert len(received(reader, 0.5)) > BIG_BYTES - 1
        assert received(slow, 4).startswith(b"HTTP/1.1 408")
        assert first.service.waits
        first.service.go.set()
        assert received(blocked, 0.3).endswith(b"hello")


@pytest.mark.parametrize("is_told", [True, False])
def test_who_could_be_given_is_given_before_the_end(is_told: bool) -> None:
    with two_workers() as (first, second, connected):
        first.service.name, second.service.name = b"first", b"second"
        kept = connected(GET)
        name = received(kept, 0.2).rpartition(b"\r\n")[2]
        holder, other = (first, second) if name == b"first" else (second, first)
        holder.service.has_siblings = is_told
        holder.service.is_serving = False
        holder.loop.wake()
        time.sleep(0.1)
        if not is_told:
            holder.loop.abandon()
        holder.threads[0].join(0.5)
        assert not holder.threads[0].is_alive(), "it need not wait for anybody"
        kept.sendall(GET)
        assert received(kept, 0.3).endswith(other.service.name)


def test_threads_answer_at_once_and_no_more_are_let_in_than_there_are() -> None:
    with serving(threads=3) as served:
        busy = [served.connected(GET.replace(b"/ ", b"/wait ", 1)) for _ in range(3)]
        time.sleep(0.2)
        assert len(served.watch.at_work()) == 3
        with served.connected(GET) as fourth:
            fourth.settimeout(0.3)
            with pytest.raises(TimeoutError):
                fourth.recv(1)
            served.service.go.set()
            assert all(received(sock, 0.3).endswith(b"hello") for sock in [*busy, fourth])
