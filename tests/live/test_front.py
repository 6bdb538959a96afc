"""The front of a real fleet: what hangs is replaced, probes are answered meanwhile, and no client holds it up."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.kit.fleet import GUNICORN, Fleet, serving, wait_for
from tests.kit.session import free_port
from tests.kit.wire import post
from tests.live.hanging import begun, hanging


def test_a_request_that_hangs_costs_its_worker_and_nobody_else(tmp_path: Path) -> None:
    with hanging(tmp_path, BERT_TIMEOUT_S="3") as fleet:
        started = time.monotonic()
        hung = begun(fleet, "hang", X_Request_Id="mine")
        while not fleet.events("worker lost"):
            assert fleet.ask("/predict", {"text": "Hello"}).status == 200
            assert time.monotonic() < started + 20
        wait_for(lambda: fleet.metric("bert_workers_ready") == 2, "a successor")
        assert time.monotonic() - started > 3
        (told,) = fleet.events("worker lost")
        assert told["reason"] == "timeout"
        assert [told[name] for name in ("requests_lost", "request_id", "client", "path")] == [
            1,
            "mine",
            "127.0.0.1",
            "/predict",
        ]
        assert fleet.metric("bert_requests_lost_total") == 1
        assert any("hanging.conf.py" in frame for frame in fleet.events("a request hangs")[0]["frames"])
        assert fleet.metric('bert_worker_restarts_total{reason="timeout"}') == 1
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            hung.getresponse()
        hung.close()


def test_a_long_request_says_itself_that_its_time_is_over(tmp_path: Path) -> None:
    with hanging(tmp_path, BERT_TIMEOUT_S="3") as fleet:
        answer = fleet.ask("/predict", {"text": "look"})
        assert (answer.status, answer.json["error_type"]) == (504, "Timeout")
        assert "BERT_TIMEOUT_S" in answer.json["error"]
        assert not fleet.events("worker lost")
        os.kill(fleet.workers()[0], signal.SIGKILL)
        (told,) = wait_for(lambda: fleet.events("worker lost"), "a lost worker")
        assert "requests_lost" not in told, "it was at none"


def test_a_request_whose_client_has_gone_is_given_up(tmp_path: Path) -> None:
    with hanging(tmp_path) as fleet:
        begun(fleet, "look").close()
        counted = 'bert_requests_total{method="POST",route="/predict",status="499"}'
        wait_for(lambda: fleet.metric(counted) == 1, "499", timeout_s=5)
        (line,) = [line for line in fleet.events("request") if line["status"] == 499]
        assert line["total_ms"] < 5000


def test_a_stopping_worker_gives_up_what_it_cannot_finish(tmp_path: Path) -> None:
    with hanging(tmp_path, BERT_GRACEFUL_TIMEOUT_S="3") as fleet:
        client = begun(fleet, "look")
        os.kill(fleet.master_pid, signal.SIGTERM)
        answer = client.getresponse()
        assert answer.status == 503
        assert b"stopping" in answer.read()
        client.close()
        assert fleet.process.wait(20) == 0


def test_probes_and_metrics_are_answered_at_their_own_address_while_every_worker_hangs(tmp_path: Path) -> None:
    port = free_port()
    with hanging(tmp_path, BERT_ADMIN_BIND=f"127.0.0.1:{port}", BERT_GRACEFUL_TIMEOUT_S="2") as fleet:
        admin = fleet.at(port)
        clients = [begun(fleet, "hang") for _ in range(3)]
        for path in ("/livez", "/readyz", "/info", "/metrics"):
            assert admin.ask(path, timeout_s=10).status == 200
        assert admin.metric("bert_workers_ready") == 2
        wait_for(
            lambda: admin.metric("bert_queue_depth") == admin.metric("te_queue_size") == 1, "one waits", timeout_s=5
        )
        elsewhere = admin.ask("/predict", {"text": "Hello"}, timeout_s=10)
        assert (elsewhere.status, "BERT_ADMIN_BIND" in elsewhere.json["error"]) == (404, True)
        assert fleet.ask("/livez", timeout_s=10).status == 200, "and at the first"
        for client in clients:
            client.close()


def test_who_waits_is_told_how_long() -> None:
    many = {"text": [f"{number} {'word ' * 200}" for number in range(100)]}
    with serving(workers=1) as fleet, ThreadPoolExecutor(1) as pool:
        first = pool.submit(fleet.ask, "/predict", many)
        time.sleep(0.05)
        began_s = time.monotonic()
        second = fleet.ask("/v1/embeddings", {"input": "Hello"})
        took_ms = 1000 * (time.monotonic() - began_s)
        assert first.result().status == second.status == 200
        assert 0.5 * took_ms < float(second.headers["X-Queue-Time"]) <= took_ms + 10
        assert fleet.metric("bert_queue_seconds_sum") > 0.0004 * took_ms
        line = fleet.events("request")[1]
        assert line["total_ms"] >= line["queue_ms"] == float(second.headers["X-Queue-Time"])
        assert float(second.headers["X-Total-Time"]) >= line["queue_ms"]
        counted = 'bert_request_duration_seconds_sum{route="/v1/embeddings"'
        assert fleet.metric(counted) >= line["queue_ms"] / 1000, "from its arrival"


def test_the_second_address_comes_and_goes_with_a_reload(tmp_path: Path) -> None:
    port, config = free_port(), tmp_path / "bert.toml"
    config.write_text("")
    with serving(BERT_CONFIG=str(config)) as fleet:
        config.write_text(f'admin_bind = "127.0.0.1:{port}"')
        fleet.reload()
        admin = fleet.at(port)
        assert admin.ask("/readyz").status == 200
        assert fleet.ask("/predict", {"text": "Hello"}).status == 200
        config.write_text("")
        fleet.reload()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), timeout=5)


def test_the_second_address_must_be_another(tmp_path: Path) -> None:
    port = free_port()
    with (
        pytest.raises(AssertionError, match="where the service itself listens"),
        serving(PORT=str(port), BERT_ADMIN_BIND=f"127.0.0.1:{port}"),
    ):
        pass


def test_sizes_are_read_once_for_all_workers() -> None:
    with serving(workers=3) as fleet:
        pages = [fleet.ask("/metrics").body.decode() for _ in range(6)]
        sizes = {line for page in pages for line in page.splitlines() if line.startswith("bert_worker_pss_bytes{")}
        assert len(sizes) == 4, "the same for each, whichever worker answered"


def test_who_is_slow_holds_nobody_up_and_is_told_so(fleet: Fleet) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", fleet.port), timeout=20) for _ in range(60)]
    try:
        started = time.monotonic()
        for number, sock in enumerate(slow):
            sock.sendall([b"POST /pre", head, head + b'{"text"'][number % 3])
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: fleet.ask("/predict", {"text": "Hello"}, timeout_s=20), range(100)))
        assert {answer.status for answer in answers} == {200}
        assert all(sock.recv(20).startswith(b"HTTP/1.1 408") for sock in slow)
        assert time.monotonic() - started > 7, "they had their time"
    finally:
        for sock in slow:
            sock.close()


def test_a_proxy_in_front_says_who_asks() -> None:
    with (
        serving(workers=1, BERT_PROXY_PROTOCOL="auto") as fleet,
        socket.create_connection(("127.0.0.1", fleet.port)) as sock,
    ):
        sock.sendall(b"PROXY TCP4 1.2.3.4 5.6.7.8 80 8000\r\nGET /info HTTP/1.0\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.0 200")
        line = next(line for line in fleet.events("request") if line["path"] == "/info")
        assert line["client"] == "1.2.3.4"


def test_over_ipv6_and_over_a_unix_socket(tmp_path: Path) -> None:
    path, port = tmp_path / "socket", free_port()
    command = [GUNICORN[0], "-b", f"[::1]:{port}", "-b", f"unix:{path}", GUNICORN[1]]
    asked = post("/predict", {"text": "a"}, port)
    with serving(workers=1, command=command) as fleet:
        places: list[tuple[int, Any]] = [(socket.AF_INET6, ("::1", port)), (socket.AF_UNIX, str(path))]
        for family, address in places:
            with socket.socket(family) as sock:
                sock.settimeout(20)
                sock.connect(address)
                for _ in range(2):
                    sock.sendall(asked)
                    answer = http.client.HTTPResponse(sock)
                    answer.begin()
                    assert (answer.status, answer.getheader("Connection")) == (200, "keep-alive")
                    assert len(json.loads(answer.read())["embeddings"][0]) == 384
            time.sleep(0.2)  # else the worker may see the next client before it sees this one go
        assert [line["client"] for line in fleet.events("request")] == ["::1", "::1", "", ""]
