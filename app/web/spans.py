"""Requests as spans, sent to an OpenTelemetry collector (BERT_OTLP_ENDPOINT): a span each, and one for each part of it.

They are made of the request's account once it is answered, so that nothing is measured twice and nothing is in the way.
The library batches and sends them from a thread of its own; where the collector is slow or gone it drops them.
Imported only where that is wanted: OpenTelemetry is an extra (`serve-bert[otel]`).
"""

from __future__ import annotations

import atexit
import random
import time
from collections.abc import Iterator, Mapping
from threading import Thread
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from ..settings import Settings
from ..version import VERSION
from .account import Account
from .trace import Trace

SCOPE = InstrumentationScope("serve-bert", VERSION)
SAMPLED = TraceFlags(TraceFlags.SAMPLED)
CLOSE_S = 1.0
COUNTS = ("texts", "tokens", "truncated_texts", "truncated_tokens", "unknown_tokens", "empty_texts")


class Spans:
    """Of one process: make it after the fork, for a thread does not survive it."""

    def __init__(self, settings: Settings) -> None:
        self._ratio = settings.trace_ratio
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
        self._resource = Resource({"service.name": "serve-bert", "service.version": VERSION}).merge(Resource.create())
        atexit.register(self.close)
        self._processor = BatchSpanProcessor(OTLPSpanExporter(f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"))

    def begin(self, trace: Trace | None) -> Trace | None:
        """The trace of a request: the one that it is part of, or a new one, for a share of BERT_TRACE_RATIO."""
        if trace or random.random() >= self._ratio:  # noqa: S311 - there is nothing to guess
            return trace
        return Trace.begun()

    def tell(self, told: Account, facts: Mapping[str, Any], seconds: float) -> None:
        """A request that is answered, and took so long; `facts`: those of its log line."""
        trace = told.trace
        if not trace or not trace.is_sampled:
            return
        end_ns = time.time_ns()
        begin_ns = end_ns - int(seconds * 1e9)
        own = _context(trace.trace_id, int(trace.span_id, 16))
        parent = _context(trace.trace_id, int(trace.parent_id, 16)) if trace.parent_id else None
        is_failed = facts["status"] >= 500
        self._send(
            f"{facts['method']} {facts['route']}",
            own,
            parent,
            (begin_ns, end_ns),
            attributes=_attributes(facts),
            kind=SpanKind.SERVER,
            status=Status(StatusCode.ERROR, told.error or told.failure) if is_failed else Status(),
        )
        for name, part_begin_ns, part_end_ns in _placed(told, begin_ns):
            context = _context(trace.trace_id, random.getrandbits(64) or 1)
            self._send(name, context, own, (part_begin_ns, part_end_ns))

    def close(self) -> None:
        """Send what is left, for a moment at most: where the collector is gone the library tries for ten seconds."""
        sending = Thread(target=self._processor.shutdown, daemon=True)
        sending.start()
        sending.join(CLOSE_S)

    def _send(
        self, name: str, context: SpanContext, parent: SpanContext | None, times_ns: tuple[int, int], **more: Any
    ) -> None:
        span = ReadableSpan(
            name,
            context=context,
            parent=parent,
            resource=self._resource,
            instrumentation_scope=SCOPE,
            start_time=times_ns[0],
            end_time=times_ns[1],
            **more,
        )
        self._processor.on_end(span)


def _context(trace_id: str, span_id: int) -> SpanContext:
    return SpanContext(int(trace_id, 16), span_id, is_remote=False, trace_flags=SAMPLED)


def _placed(told: Account, begin_ns: int) -> Iterator[tuple[str, int, int]]:
    """The parts of a request, one behind the other as they were; those that there were."""
    found = told.found
    parts = [("queue", told.queue_s), ("decode", told.decode_s)]
    if found:
        parts += [("tokenize", found.tokenize_s), ("forward", found.forward_s), ("encode", told.encode_s)]
    for name, seconds in parts:
        end_ns = begin_ns + int(seconds * 1e9)
        if seconds:
            yield name, begin_ns, end_ns
        begin_ns = end_ns


def _attributes(facts: Mapping[str, Any]) -> dict[str, Any]:
    """By OpenTelemetry's conventions, and ours: https://opentelemetry.io/docs/specs/semconv/http/http-spans/."""
    named = {
        "http.request.method": facts["method"],
        "http.route": facts["route"],
        "url.path": facts["path"],
        "http.response.status_code": facts["status"],
        "client.address": facts["client"],
        "user_agent.original": facts["user_agent"],
        "error.type": facts.get("failure"),
        "bert.request_id": facts["request_id"],
        "bert.slot": facts["slot"],
        **{f"bert.{name}": facts.get(name) for name in COUNTS},
    }
    return {name: value for name, value in named.items() if value not in (None, "")}
