"""Around every request: its account opened, and told to headers, metrics and one log line."""

from __future__ import annotations

import time
from typing import cast

from flask import Flask, Request, current_app, request

from ..fleet import logs
from ..fleet.metrics.register import METHODS, OTHER_METHOD, UNMATCHED
from ..request_errors import DeadlineError, HeaderError
from ..server.admission import TIMEOUT, timeout_s
from ..server.environ import FOR_ADMIN, logged_path, request_id_of
from ..server.watch import WAITED_S
from .account import Account, CountingBody, account, open_account
from .lean import Answer, App
from .services import services
from .trace import TRACEPARENT, Trace

LOGGED_AGENT_CHARS = 100
# What orchestrators, balancers and Prometheus ask for, again and again.
WATCHING = frozenset({"/livez", "/readyz", "/health", "/ping", "/metrics"})


def init_app(app: Flask) -> None:
    """Put both hooks around every route."""
    app.before_request(start)
    app.after_request(finish)


def start() -> None:
    """Before a request: start its clock, name it, count what is read of its body."""
    own = request._get_current_object()  # type: ignore[attr-defined]
    environ = own.environ
    body = environ["wsgi.input"] = CountingBody(environ["wsgi.input"])
    service, waited_s = services(), environ.get(WAITED_S, 0.0)
    trace = Trace.of(environ) if TRACEPARENT in environ else None
    if service.spans:
        trace = service.spans.begin(trace)
    told = Account(own, service, request_id_of(environ), body, time.perf_counter(), queue_s=waited_s, trace=trace)
    open_account(told)
    if environ["PATH_INFO"] not in WATCHING:
        service.readiness.note(f"{told.request_id} {environ.get('REMOTE_ADDR', '')} {environ['PATH_INFO']}")
    if TIMEOUT in environ and timeout_s(environ) is None:
        raise HeaderError("X-Request-Timeout-Ms", "whole milliseconds, from 1 to 999999999")


def finish(response: Answer) -> Answer:
    """After a request: headers, metrics, log line."""
    told = account()
    own, service, seconds = told.request, told.services, told.total_s
    response.told = told.headers(seconds)
    route = own.url_rule.rule if own.url_rule else _asked_wrongly(own.path)
    method = own.method if own.method in METHODS else OTHER_METHOD
    payload_bytes, answered_bytes = told.body.bytes_read, response.calculate_content_length() or 0
    move = service.moves
    move.requests(route, method, response.status_code)
    move.by_route(route, response.status_code, seconds, payload_bytes, answered_bytes)
    if not (own.environ.get(FOR_ADMIN) or route in WATCHING):
        move.queue_seconds(told.queue_s)
    told.count(seconds)
    facts = {
        "request_id": told.request_id,
        "method": method,
        "route": route,
        **_asked_by(own, route),
        "status": response.status_code,
        "payload_bytes": payload_bytes,
        "response_bytes": answered_bytes,
        "total_ms": round(seconds * 1000, 3),
        "slot": service.readiness.slot,
        **told.facts(),
    }
    logs.write(_level(response.status_code, route, told.failure), "request", facts)
    if service.spans and route not in WATCHING:
        service.spans.tell(told, facts, seconds)
    open_account(None)
    return response


def _asked_by(own: Request, route: str) -> dict[str, str]:
    return {
        "path": route if own.path == route else logged_path(own.path),
        "client": own.environ.get("REMOTE_ADDR", ""),
        "user_agent": own.environ.get("HTTP_USER_AGENT", "")[:LOGGED_AGENT_CHARS],
    }


def _asked_wrongly(path: str) -> str:
    """The route whose method is another, by which it is counted; else none."""
    app = cast("App", current_app)
    return path if path in app.paths else UNMATCHED


def _level(status: int, route: str, failure: str) -> str:
    """A probe's 503 is an answer like another: what made the fleet unready has a line of its own.

    A request's own time, which its client has set, is no failure of ours.
    """
    if 400 <= status < 500 or failure == DeadlineError.kind:
        return "warning"
    if route in WATCHING:
        return "debug"
    return "error" if status >= 500 else "info"
