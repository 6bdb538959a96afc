"""Requests told to a collector on loopback, as spans; and none where nobody wants them."""

from __future__ import annotations

import http.server
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.kit.fleet import serving, wait_for
from tests.kit.session import free_port

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARTS = ["decode", "encode", "forward", "tokenize"]
# The library's own: how long spans wait to be sent.
SOON: dict[str, Any] = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_SERVICE_NAME": "search"}


class Collector(http.server.ThreadingHTTPServer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.sent: list[ExportTraceServiceRequest] = []

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for one in self.sent
            for resource in one.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class Taking(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/v1/traces"
        assert isinstance(self.server, Collector)
        self.server.sent.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, daemon=True)
        thread.start()
        try:
            yield collector, f"http://127.0.0.1:{collector.server_port}"
        finally:
            collector.shutdown()
            thread.join(5)


def test_a_request_is_a_span_with_its_parts() -> None:
    with (
        collecting() as (collector, endpoint),
        serving(workers=2, BERT_OTLP_ENDPOINT=endpoint, BERT_TRACE_RATIO="0", **SOON) as fleet,
    ):
        fleet.ask("/predict", {"text": "in no trace"})
        fleet.ask("/predict", {"text": "a trace that is not told of"}, traceparent=f"00-{TRACE}-{PARENT}-00")
        fleet.ask("/livez", traceparent=f"00-{TRACE}-{PARENT}-01")
        answer = fleet.ask("/predict", {"text": "a"}, traceparent=f"00-{TRACE}-{PARENT}-01")
        spans = wait_for(lambda: len(collector.spans) >= 5 and collector.spans, "the spans", timeout_s=20)
        (own,) = [span for span in spans if span.name == "POST /predict"]
        assert answer.headers["traceparent"] == f"00-{TRACE}-{own.span_id.hex()}-01"
        assert (own.trace_id.hex(), own.parent_span_id.hex(), own.kind) == (TRACE, PARENT, Span.SPAN_KIND_SERVER)
        parts = [span for span in spans if span.parent_span_id == own.span_id]
        assert sorted({span.name for span in parts} - {"queue"}) == PARTS
        assert {span.trace_id.hex() for span in spans} == {TRACE}
        assert all(own.start_time_unix_nano <= span.start_time_unix_nano for span in parts)
        assert max(span.end_time_unix_nano for span in parts) <= own.end_time_unix_nano
        line = fleet.events("request")[-1]
        assert (line["trace_id"], line["span_id"]) == (TRACE, own.span_id.hex())
        told = {one.key: one.value.string_value or one.value.int_value for one in own.attributes}
        assert told["bert.request_id"] == answer.headers["X-Request-Id"]
        assert (told["http.route"], told["http.response.status_code"], told["bert.tokens"]) == ("/predict", 200, 3)
        resource = {one.key: one.value.string_value for one in collector.sent[0].resource_spans[0].resource.attributes}
        assert resource["service.name"] == "search"


def test_a_trace_begins_here_and_its_last_spans_are_sent_at_the_end() -> None:
    with (
        collecting() as (collector, endpoint),
        serving(workers=2, BERT_OTLP_ENDPOINT=endpoint, OTEL_BSP_SCHEDULE_DELAY="60000") as fleet,
    ):
        fleet.ask("/readyz")
        assert fleet.ask("/predict", {"text": ""}).status == 400
        (line,) = fleet.events("request")
        os.kill(fleet.master_pid, signal.SIGTERM)
        assert fleet.process.wait(20) == 0
        (own, *parts) = collector.spans
        assert (own.name, own.parent_span_id, own.trace_id.hex()) == ("POST /predict", b"", line["trace_id"])
        assert own.status.code == Status.STATUS_CODE_UNSET, "what a client did wrong is no error of ours"
        assert {part.name for part in parts} <= {"queue"}


def test_a_collector_that_is_gone_harms_nobody() -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    with serving(workers=1, BERT_OTLP_ENDPOINT=nobody, **SOON) as fleet:
        for _ in range(20):
            assert fleet.ask("/predict", {"text": "a"}, timeout_s=5).status == 200
        began_s = time.monotonic()
        os.kill(fleet.master_pid, signal.SIGTERM)
        assert fleet.process.wait(20) == 0
        assert time.monotonic() < began_s + 8, "the library alone takes ten seconds and more"


def test_without_a_collector_a_trace_is_passed_on_all_the_same() -> None:
    with serving(workers=1) as fleet:
        answer = fleet.ask("/predict", {"text": "a"}, traceparent=f"00-{TRACE}-{PARENT}-01")
        assert answer.headers["traceparent"].startswith(f"00-{TRACE}-")
        assert answer.headers["traceparent"].endswith("-01")
        assert PARENT not in answer.headers["traceparent"]
        assert "traceparent" not in fleet.ask("/predict", {"text": "a"}).headers
        first, second = fleet.events("request")
        assert first["trace_id"] == TRACE
        assert "trace_id" not in second


def test_an_address_that_is_none_stops_the_start() -> None:
    with (
        pytest.raises(AssertionError, match=r"BERT_OTLP_ENDPOINT.*http://collector:4318"),
        serving(workers=1, BERT_OTLP_ENDPOINT="collector:4318"),
    ):
        pass
