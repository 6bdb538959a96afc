"""What never reaches the application, or fails outside it: answered in JSON too, counted, logged in one line.

Who waited too long is one of many: they are counted and logged once a second, as a sum.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

import orjson
import structlog

from ..errors import ClientGoneError, OverloadedError, RequestError
from ..fleet.logs import frames
from ..fleet.metrics import METHODS, OTHER_METHOD, UNMATCHED
from .environ import new_request_id, request_id_of
from .parser import Request
from .refused import STATUSES, Refused
from .terms import Host

HEAD = (
    "HTTP/1.1 {} {}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    "X-Request-Id: {}\r\n{}Content-Length: {}\r\n\r\n"
)
# Stands where a request's name goes in what is told to many.
NAMELESS = "0" * 32
MOST_TOLD = 64
log = structlog.get_logger("serve-bert")


class Turned(NamedTuple):
    """How, why and where a request was turned away."""

    reason: str
    status: int
    route: str
    method: str


class Refusals:
    """See the module. `host`: where they are counted, and what knows how an error is told where a path is asked."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._waits_s: defaultdict[Turned, list[float]] = defaultdict(list)
        self._told: dict[tuple[str, str], list[bytes]] = {}

    def refuse(self, refusal: Refused, client: str) -> bytes:
        """The answer to what is no request. The log gets no sentence: it may quote what the client sent."""
        request_id = new_request_id()
        log.warning("refused", request_id=request_id, status=refusal.status, client=client)
        return self._answer(refusal.status, f"this is no valid HTTP request: {refusal.sentence}", request_id)

    def fail(self, error: BaseException) -> bytes:
        """The answer to a request whose application raised. The log gets where, but no message, which may quote it."""
        request_id = new_request_id()
        log.error("unforeseen", request_id=request_id, error_class=type(error).__name__, frames=frames(error))
        return self._answer(500, "the server failed on this request", request_id)

    def turn_away(self, error: RequestError, request: Request, waited_s: float) -> bytes:
        """The answer to a request that has waited too long for one."""
        self._note(error, request.environ, waited_s)
        request_id = request_id_of(request.environ)
        body = request_id.encode().join(self._tell(request.environ["PATH_INFO"], error))
        more = f"X-Queue-Time: {waited_s * 1000:.0f}\r\n"
        if isinstance(error, OverloadedError):
            more += f"Retry-After: {error.retry_after_s}\r\n"
        if origin := request.environ.get("HTTP_ORIGIN"):
            more += "".join(f"{name}: {value}\r\n" for name, value in self._host.allow(origin))
        head = _head(error.status, request_id, body, more)
        return head if request.environ["REQUEST_METHOD"] == "HEAD" else head + body

    def pass_over(self, request: Request, waited_s: float) -> None:
        """A request whose client has gone before its turn: nothing is computed, and nobody would read an answer."""
        self._note(ClientGoneError(), request.environ, waited_s)

    def say(self) -> None:
        """Count and log who was turned away since the last time."""
        reasons: defaultdict[str, list[float]] = defaultdict(list)
        for turned, waits_s in self._waits_s.items():
            self._count(turned, waits_s)
            reasons[turned.reason] += waits_s
        self._waits_s.clear()
        for reason, waits_s in reasons.items():
            longest_ms = round(max(waits_s) * 1000)
            log.warning("requests turned away", reason=reason, requests=len(waits_s), longest_queue_ms=longest_ms)

    def _note(self, error: RequestError, environ: dict[str, Any], waited_s: float) -> None:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        route = path if path in self._host.routes else UNMATCHED
        method = method if method in METHODS else OTHER_METHOD
        self._waits_s[Turned(error.kind, error.status, route, method)].append(waited_s)

    def _count(self, turned: Turned, waits_s: list[float]) -> None:
        if metrics := self._host.metrics:
            metrics.requests.labels(turned.route, turned.method, str(turned.status)).inc(len(waits_s))
            metrics.turned_away.labels(turned.reason).inc(len(waits_s))
            for waited_s in waits_s:
                metrics.queue_seconds.observe(waited_s)

    def _tell(self, path: str, error: RequestError) -> list[bytes]:
        """What stands in the body around the request's name; all of it, where that has no place."""
        key = (path, error.message)
        if key not in self._told:
            if len(self._told) >= MOST_TOLD:
                self._told.clear()
            self._told[key] = self._host.tell(path, error, NAMELESS).split(NAMELESS.encode())
        return self._told[key]

    def _answer(self, status: int, sentence: str, request_id: str) -> bytes:
        kind = "Validation" if status < 500 else "Backend"
        body = orjson.dumps({"error": sentence, "error_type": kind, "request_id": request_id})
        if metrics := self._host.metrics:
            metrics.requests.labels(UNMATCHED, OTHER_METHOD, str(status)).inc()
        return _head(status, request_id, body) + body


def _head(status: int, request_id: str, body: bytes, more: str = "") -> bytes:
    return HEAD.format(status, STATUSES[status], request_id, more, len(body)).encode()
