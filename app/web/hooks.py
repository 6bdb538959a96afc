"""Around every request: the bytes that were really read, the bytes answered, the time, the status, one log line.

The text itself is never logged, nor anything else of the body.
"""

from __future__ import annotations

import io
import re
import secrets
import time
from typing import Any
from urllib.parse import quote

import structlog
from flask import Flask, Response, g, request

from ..fleet.metrics import METHODS, OTHER_METHOD, UNMATCHED
from .services import services

# Long enough for every tracing system; no character that could forge a log line or a header.
SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
LOGGED_PATH_CHARS = 200
log = structlog.get_logger("serve-bert")


class CountingBody:
    """A request's body that counts the bytes read from it."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream
        self.bytes_read = 0

    def read(self, *size: int) -> bytes:
        """Read as a file does."""
        return self._counted(self._stream.read(*size))

    def readline(self, *size: int) -> bytes:
        """Read a line as a file does."""
        return self._counted(self._stream.readline(*size))

    def _counted(self, data: bytes) -> bytes:
        self.bytes_read += len(data)
        return data


def init_app(app: Flask) -> None:
    """Put both hooks around every route."""
    app.before_request(start)
    app.after_request(finish)


def start() -> None:
    """Before a request: start its clock, name it, count what is read of its body."""
    g.started = time.perf_counter()
    g.request_id = _request_id(request.headers.get("X-Request-Id", ""))
    g.body = request.environ["wsgi.input"] = CountingBody(request.environ["wsgi.input"])
    g.facts = {}


def finish(response: Response) -> Response:
    """After a request: headers, metrics, log line."""
    seconds = time.perf_counter() - g.started
    response.headers["X-Request-Id"] = g.request_id
    response.headers["X-Total-Time"] = milliseconds(seconds)
    route = request.url_rule.rule if request.url_rule else UNMATCHED
    method = request.method if request.method in METHODS else OTHER_METHOD
    answered_bytes = response.calculate_content_length() or 0
    service = services()
    metrics = service.metrics
    metrics.requests.labels(route, method, str(response.status_code)).inc()
    metrics.request_seconds.labels(route).observe(seconds)
    metrics.payload_bytes.labels(route).observe(g.body.bytes_read)
    metrics.response_bytes.labels(route).observe(answered_bytes)
    log.info(
        "request",
        request_id=g.request_id,
        method=method,
        route=route,
        path=quote(request.path)[:LOGGED_PATH_CHARS],
        client=request.environ.get("REMOTE_ADDR", ""),
        status=response.status_code,
        payload_bytes=g.body.bytes_read,
        response_bytes=answered_bytes,
        total_ms=float(milliseconds(seconds)),
        slot=service.readiness.slot,
        **g.facts,
    )
    return response


def note(**facts: Any) -> None:
    """Add facts to this request's log line: counts and times, never content."""
    g.facts.update(facts)


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds to the microsecond: "2.318"."""
    return f"{seconds * 1000:.3f}"


def _request_id(given: str) -> str:
    return given if SANE_REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
