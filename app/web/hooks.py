"""Around every request: its account opened, and told to headers, metrics and one log line."""

from __future__ import annotations

import time
from urllib.parse import quote

import structlog
from flask import Flask, Response, g, request

from ..errors import HeaderError
from ..fleet.metrics import METHODS, OTHER_METHOD, UNMATCHED
from ..server.admission import TIMEOUT, timeout_s
from ..server.environ import FOR_ADMIN, request_id_of
from ..server.watch import WAITED_S
from .account import Account, CountingBody, account
from .services import services

LOGGED_PATH_CHARS = 200
log = structlog.get_logger("serve-bert")


def init_app(app: Flask) -> None:
    """Put both hooks around every route."""
    app.before_request(start)
    app.after_request(finish)


def start() -> None:
    """Before a request: start its clock, name it, count what is read of its body."""
    environ = request.environ
    body = environ["wsgi.input"] = CountingBody(environ["wsgi.input"])
    g.account = Account(request_id_of(environ), body, time.perf_counter(), queue_s=environ.get(WAITED_S, 0.0))
    if TIMEOUT in environ and timeout_s(environ) is None:
        raise HeaderError("X-Request-Timeout-Ms", "whole milliseconds, from 1 to 999999999")


def finish(response: Response) -> Response:
    """After a request: headers, metrics, log line."""
    told = account()
    response.headers.extend(told.headers())
    seconds = told.total_s
    route = request.url_rule.rule if request.url_rule else UNMATCHED
    method = request.method if request.method in METHODS else OTHER_METHOD
    answered_bytes = response.calculate_content_length() or 0
    service = services()
    metrics = service.metrics
    metrics.requests.labels(route, method, str(response.status_code)).inc()
    metrics.request_seconds.labels(route).observe(seconds)
    metrics.payload_bytes.labels(route).observe(told.body.bytes_read)
    metrics.response_bytes.labels(route).observe(answered_bytes)
    if not request.environ.get(FOR_ADMIN):
        metrics.queue_seconds.observe(told.queue_s)
    told.count(metrics, seconds)
    log.info(
        "request",
        request_id=told.request_id,
        method=method,
        route=route,
        path=quote(request.path)[:LOGGED_PATH_CHARS],
        client=request.environ.get("REMOTE_ADDR", ""),
        status=response.status_code,
        payload_bytes=told.body.bytes_read,
        response_bytes=answered_bytes,
        total_ms=round(seconds * 1000, 3),
        slot=service.readiness.slot,
        **told.facts(),
    )
    return response
