"""The bench's own arithmetic: what it counts, when it sends, what it takes for an answer."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from app.encoder import Checkpoint
from tests.bench.figures import Figures, figures, knee_per_s, median, medians
from tests.kit.arithmetic import Shape
from tests.kit.generator import Load, Pace, Sample, closed_loop
from tests.kit.open_loop import arrivals, gives_way, open_loop
from tests.kit.quantiles import of_any, percentile
from tests.kit.texts import LONG_TOKENS, SHORT_TOKENS, Writer
from tests.kit.wire import Answer, Request, fault, post, unchunk

VECTOR = [0.1, -0.2, 0.3]
GOOD = json.dumps({"embeddings": [VECTOR]}).encode()
REQUEST = Request(post("/predict", {"text": "Hello"}, 1), 1, 1e6, 3, ((0.1, -0.2),))
Reply = Callable[[], bytes]


def answer(body: bytes, status: int = 200, head: str = "") -> bytes:
    return f"HTTP/1.1 {status} Fine\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body


def whole(data: bytes) -> Answer:
    read = Answer()
    assert read.feed(data)
    return read


@contextmanager
def server(reply: Reply, *, closes: bool = False) -> Iterator[int]:
    """A loopback server that answers each head with the same bytes."""

    def serve(client: socket.socket) -> None:
        with client:
            while client.recv(65536):
                client.sendall(reply())
                if closes:
                    return

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_percentiles_lie_between_neighbours() -> None:
    assert percentile([], 99) is None
    assert math.isnan(of_any([], 99))
    assert of_any([10.0, 0.0], 95) == pytest.approx(9.5)
    assert percentile([7.0], 99) == 7
    assert percentile([1.0, 2.0, 3.0], 50) == 2
    assert percentile([0.0, 10.0], 95) == pytest.approx(9.5)


def test_the_median_passes_over_what_is_missing() -> None:
    assert median([3, None, 1]) == 2
    assert median([None]) is None


def test_arrivals_are_evenly_spaced_and_bounded() -> None:
    assert arrivals(4, 1) == [0, 0.25, 0.5, 0.75]
    assert len(arrivals(250, 2)) == 500


def test_a_service_gives_way_by_goodput_or_by_latency() -> None:
    assert not gives_way(100, 96, 499)
    assert gives_way(100, 94, 40)
    assert gives_way(100, 100, 501)
    assert gives_way(100, 0, None)


def test_the_work_of_a_text_is_that_of_its_matrix_products() -> None:
    shape = Shape(layers=6, hidden=384, intermediate=1536)
    assert shape.flop([1]) == pytest.approx(21.2e6, rel=0.01)
    assert shape.flop([242]) == 242 * 21_233_664 + 4 * 242**2 * 384 * 6


def test_texts_have_exactly_the_tokens_asked_for(checkpoint: Checkpoint) -> None:
    writer = Writer(checkpoint.directory)
    texts = [writer.write(tokens) for tokens in (SHORT_TOKENS, SHORT_TOKENS, LONG_TOKENS)] + writer.write_mix(20)
    assert len({text.text for text in texts}) == len(texts)
    assert [text.tokens for text in texts[:3]] == [22, 22, 242]
    assert sum(10 <= text.tokens <= 30 for text in texts[3:]) == 14
    assert Writer(checkpoint.directory).write(SHORT_TOKENS) == texts[0]


def test_an_answer_comes_in_pieces() -> None:
    read, data = Answer(), answer(GOOD)
    assert not any(read.feed(data[at : at + 1]) for at in range(len(data) - 1))
    assert read.feed(data[-1:])
    assert (read.status, read.body, read.keeps_alive) == (200, GOOD, True)
    assert not whole(answer(GOOD, head="Connection: close\r\n")).keeps_alive


def test_a_chunked_answer_is_put_together() -> None:
    assert unchunk(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n") == b"abcde"
    read = whole(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
    assert read.body == b"x"
    assert read.keeps_alive


def test_an_answer_without_length_ends_with_the_connection() -> None:
    read = Answer()
    assert not read.feed(b"HTTP/1.1 200 OK\r\n\r\nall")
    assert read.end()
    assert not read.keeps_alive


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        (GOOD, 200, None),
        (json.dumps({"data": [{"embedding": VECTOR}]}).encode(), 200, None),
        (GOOD, 503, "status 503"),
        (b"{}", 200, "no embeddings"),
        (b'{"embeddings": 5}', 200, "no embeddings"),
        (b"not json", 200, "no embeddings"),
        (b'{"embeddings": [[0.1, -0.2]]}', 200, "wrong dimension"),
        (b'{"embeddings": []}', 200, "wrong dimension"),
        (b'{"embeddings": [[0.1, 0.2, 0.3]]}', 200, "wrong vector"),
    ],
)
def test_only_the_embedding_that_was_asked_for_is_right(body: bytes, status: int, expected: str | None) -> None:
    assert fault(REQUEST, whole(answer(body, status))) == expected


@pytest.mark.parametrize("closes", [False, True])
def test_a_closed_loop_counts_what_is_answered(*, closes: bool) -> None:
    head = "Connection: close\r\n" if closes else ""
    began_s = time.monotonic()
    with server(lambda: answer(GOOD, head=head), closes=closes) as port:
        load = closed_loop(port, [REQUEST], 4, Pace(1, 0.2), time.process_time)
    assert load.answered == len(load.samples) > 4, "each client asks again"
    assert not load.errors
    assert 0.2 <= load.window_s <= time.monotonic() - began_s
    assert load.generator_cpu_s > 0


def test_a_closed_loop_counts_errors_by_kind_and_does_not_race() -> None:
    with server(lambda: b"", closes=True) as port:
        broken = closed_loop(port, [REQUEST], 2, Pace(0, 0.3))
    refused = closed_loop(port, [REQUEST], 2, Pace(0, 0.3))
    assert set(broken.errors) == {"broken connection"}
    assert set(refused.errors) <= {"broken connection", "connection refused"}
    assert 2 <= sum(refused.errors.values()) <= 14


def test_an_open_loop_sees_the_stall_that_a_closed_one_hides() -> None:
    def slowly() -> bytes:
        time.sleep(0.4 if next(calls) == 5 else 0)
        return answer(GOOD)

    calls, lock = iter(range(10**6)), threading.Lock()

    def one_at_a_time() -> bytes:
        with lock:
            return slowly()

    with server(one_at_a_time) as port:
        load = open_loop(port, [REQUEST], 50, Pace(0, 1))
    assert len(load.samples) == 50
    assert load.late == 0
    waited = [sample for sample in load.samples if sample.finished_s - sample.scheduled_s > 0.05]
    assert len(waited) > 10


def test_an_open_loop_counts_what_never_came() -> None:
    over = threading.Event()

    def never() -> bytes:
        over.wait(60)
        return b""

    with server(never) as port:
        load = open_loop(port, [REQUEST], 20, Pace(0, 0.5, drain_s=0.1))
        over.set()
    assert (load.answered, load.late) == (0, 10)


def load_of(*latencies_s: float, error: str | None = None) -> Load:
    samples = [Sample(1.0, 1.0, 1.0 + latency_s, REQUEST, error) for latency_s in latencies_s]
    return Load(2.0, samples, answered=0 if error else len(samples), service_cpu_s=1.0, generator_cpu_s=0.1)


def figures_of(load: Load, offered: float = 1, peak: float | None = 1.0) -> Figures:
    return figures(
        load, service="x", case="y", mode="open", lengths="short", offered=offered, precision="float32", peak=peak
    )  # fmt: skip


def test_figures_are_by_the_second_and_by_the_request() -> None:
    one = figures_of(load_of(0.1, 0.2, 0.3, 0.4))
    assert (one.requests_per_s, one.texts_per_s) == (2, 2)
    assert one.p50_ms == pytest.approx(250)
    assert (one.service_cores, one.cpu_ms_a_request, one.generator_share) == (0.5, 250, 0.05)
    assert one.share_of_peak is not None
    none = figures_of(load_of(0.1, error="time-out"), peak=None)
    assert (none.requests_per_s, none.p99_ms, none.cpu_ms_a_request, none.share_of_peak) == (0, None, None, None)
    assert none.errors == {"time-out": 1}


def test_rounds_give_medians_and_the_sum_of_errors() -> None:
    rounds = [figures_of(load_of(0.1)), figures_of(load_of(0.2, 0.2)), figures_of(load_of(0.9, error="time-out"))]
    (one,) = medians(rounds)
    assert (one.requests_per_s, one.rounds, one.errors) == (0.5, 3, {"time-out": 1})
    assert one.p50_ms == pytest.approx(150)


def test_the_knee_is_the_last_rate_before_the_service_gives_way() -> None:
    steps = [figures_of(load_of(0.1, 0.1), offered=1), figures_of(load_of(0.4, 0.4), offered=1.1)]
    assert knee_per_s(steps) == 1
    assert knee_per_s(steps[:1]) == 1
    assert knee_per_s([]) is None
