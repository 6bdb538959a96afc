"""More than a fleet can answer at a time: who is told to come back, who is answered, and what is counted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit.fleet import Fleet, serving, wait_for
from tests.kit.session import free_port
from tests.live.hanging import begun, hanging

MAX_QUEUE_MS = 300
# A test's own, since the machine may be busy with others; tests/chaos/busy.py judges times.
PATIENCE_S = 10


@contextmanager
def all_busy(folder: Path, workers: int = 2, **environ: str) -> Iterator[Fleet]:
    """Every worker in a request that does not end."""
    settings = {"BERT_MAX_QUEUE_MS": str(MAX_QUEUE_MS), "BERT_GRACEFUL_TIMEOUT_S": "2", "BERT_LOG_FORMAT": "json"}
    with hanging(folder, workers, **settings | environ) as fleet:
        clients = [begun(fleet, "hang") for _ in range(workers)]
        wait_for(lambda: fleet.metric("bert_workers_busy") == workers, "all busy", PATIENCE_S)
        yield fleet
        for client in clients:
            client.close()


@pytest.mark.parametrize("state", ["per-worker", "shared"])
def test_while_all_are_busy_probes_are_answered_and_others_told_when_to_come_back(tmp_path: Path, state: str) -> None:
    environ, workers = ({"BERT_STATE": state, "BERT_THREADS": "2"}, 1) if state == "shared" else ({}, 2)
    with hanging(
        tmp_path, workers, BERT_MAX_QUEUE_MS=str(MAX_QUEUE_MS), BERT_GRACEFUL_TIMEOUT_S="2", **environ
    ) as fleet:
        clients = [begun(fleet, "hang") for _ in range(2)]
        for path in ("/livez", "/readyz", "/health", "/ping", "/info", "/metrics"):
            assert fleet.ask(path, timeout_s=PATIENCE_S).status == 200
        assert fleet.metric("bert_requests_in_flight") == 2
        assert fleet.metric("bert_workers_busy") == workers
        for path, body in (
            ("/predict", {"text": "a"}),
            ("/embed", {"inputs": "a"}),
            ("/v1/embeddings", {"input": "a"}),
        ):
            refused = fleet.ask(path, body, timeout_s=PATIENCE_S, X_Request_Id="mine")
            assert (refused.status, refused.headers["Retry-After"]) == (429, "5"), "nothing was answered lately"
            assert refused.headers["X-Request-Id"] == "mine"
            assert float(refused.headers["X-Queue-Time"]) >= MAX_QUEUE_MS
            if path == "/v1/embeddings":
                assert (refused.json["error"]["type"], refused.json["error"]["code"]) == (
                    "rate_limit_error",
                    "rate_limit_exceeded",
                )
            else:
                assert (refused.json["error_type"], refused.json["request_id"]) == ("Overloaded", "mine")
        counted = 'bert_requests_total{method="POST",route="/predict",status="429"}'
        reason = 'bert_turned_away_total{reason="overloaded"}'
        wait_for(lambda: fleet.metric(reason) == 3, "counted, once a second", PATIENCE_S)
        assert fleet.metric(counted) == 1
        assert fleet.metric('te_request_failure{err="overloaded"}') == 3
        lines = fleet.events("requests turned away")
        assert sum(line["requests"] for line in lines) == 3
        assert {line["most_from"] for line in lines} == {"127.0.0.1"}
        assert all(line["reason"] == "overloaded" and line["longest_queue_ms"] >= MAX_QUEUE_MS for line in lines)
        for client in clients:
            client.close()


def test_who_waits_is_in_the_gauge_though_others_have_looked_at_him(tmp_path: Path) -> None:
    port = free_port()
    with all_busy(tmp_path, BERT_MAX_QUEUE_MS="0", BERT_ADMIN_BIND=f"127.0.0.1:{port}") as fleet:
        admin = fleet.at(port)
        waiting = [begun(fleet, "Hello") for _ in range(3)]
        for _ in range(5):
            wait_for(lambda: admin.metric("bert_queue_depth") == 3, "three wait", PATIENCE_S)
            time.sleep(0.1)
        assert admin.metric("bert_workers_busy") == 2
        assert admin.metric("bert_requests_in_flight") == 2
        for client in waiting:
            client.close()


def test_a_request_says_how_long_it_may_wait(tmp_path: Path) -> None:
    with hanging(tmp_path, workers=1, BERT_MAX_QUEUE_MS="0") as fleet, ThreadPoolExecutor(1) as pool:
        computed = fleet.ask("/predict", {"text": "look"}, X_Request_Timeout_Ms="500")
        assert (computed.status, computed.json["error_type"]) == (504, "Timeout")
        assert "X-Request-Timeout-Ms, 500 ms" in computed.json["error"]
        line = fleet.events("request")[-1]
        assert (line["failure"], line["level"]) == ("deadline", "warning"), "the client wanted it so"
        busy = pool.submit(fleet.ask, "/predict", {"text": "look"}, X_Request_Timeout_Ms="2000")
        time.sleep(0.3)
        late = fleet.ask("/embed", {"inputs": "a"}, X_Request_Timeout_Ms="500", timeout_s=PATIENCE_S)
        assert (late.status, late.json["error_type"], late.headers["Retry-After"]) == (504, "Timeout", None)
        assert busy.result().status == 504
        counted = 'bert_turned_away_total{reason="deadline"}'
        wait_for(lambda: fleet.metric(counted) == 3, "counted", PATIENCE_S)
        assert fleet.metric("te_request_failure") == 3, "each once"
        malformed = fleet.ask("/embed", {"inputs": "a"}, X_Request_Timeout_Ms="soon")
        assert (malformed.status, malformed.json["where"]) == (400, "X-Request-Timeout-Ms")
        assert fleet.ask("/embed", {"inputs": "a"}, X_Request_Timeout_Ms="60000").status == 200


def test_probes_are_answered_while_texts_are_tokenized() -> None:
    """Which lets go of the interpreter between two texts alone."""
    many = {"text": [f"{number} {'word ' * 400}" for number in range(2000)]}
    with serving(workers=1, BERT_MAX_TOKENS="16") as fleet, ThreadPoolExecutor(1) as pool:
        first = pool.submit(fleet.ask, "/predict", many)
        waits_s = []
        while not first.done():
            asked_s = time.monotonic()
            assert fleet.ask("/livez", timeout_s=PATIENCE_S).status == 200
            waits_s.append(time.monotonic() - asked_s)
        tokenizing_s = float(first.result().headers["X-Tokenization-Time"]) / 1000
        assert max(waits_s) < tokenizing_s / 3, "it had not to wait until all were tokenized"


def test_a_client_that_has_gone_while_it_waited_is_counted_and_not_computed_for() -> None:
    many = {"text": [f"{number} {'word ' * 200}" for number in range(200)]}
    with serving(workers=1) as fleet, ThreadPoolExecutor(1) as pool:
        first = pool.submit(fleet.ask, "/predict", many)
        time.sleep(0.1)
        begun(fleet, "Hello").close()
        assert first.result().status == 200
        counted = 'bert_requests_total{method="POST",route="/predict",status="499"}'
        wait_for(lambda: fleet.metric(counted) == 1, "counted", PATIENCE_S)
        assert fleet.metric('bert_turned_away_total{reason="client_gone"}') == 1
        assert (
            len(fleet.events("request"))
            == len([line for line in fleet.events("request") if line["route"] != "/predict"]) + 1
        )
