"""What never reaches the application, or fails outside it: answered in JSON too, counted, logged in one line.

Who waited too long is one of many: they are counted and logged once a second, as a sum.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple

import orjson
import structlog

from ..fleet.logs import frames
from ..fleet.metrics.register import METHODS, OTHER_METHOD, UNMATCHED
from ..request_errors import ClientGoneError, OverloadedError, RequestError
from .environ import Environ, new_request_id, request_id_of
from .http_faults import STATUSES, Refused
from .terms import Host

HEAD = "HTTP/1.1 {} {}\r\nConnection: close\r\nContent-Type: application/json\r\n"
NAME = b"%bX-Request-Id: %b\r\nContent-Length: %d\r\n\r\n"
WAIT = b"%bX-Queue-Time: %d\r\n"
# Stands where a request's name goes in what is told to many.
NAMELESS = "0" * 32
MOST_TOLD = 64
log = structlog.get_logger("serve-bert")


class Turned(NamedTuple):
    """How, why and where a request was turned away."""

    reason: str
    error_type: str
    status: int
    route: str
    method: str


class Told(NamedTuple):
    """What many are told: as whom they are counted, the head but for what differs, and the body around the name."""

    turned: Turned
    head: bytes
    body: list[bytes]
    has_body: bool


class Refusals:
    """See the module. `host`: where they are counted, and what knows how an error is told where a path is asked."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._waits_s: defaultdict[Turned, list[float]] = defaultdict(list)
        self._clients: Counter[str] = Counter()
        self._told: dict[tuple[str, str, str, str], Told] = {}

    def refuse(self, refusal: Refused, path: str, client: str) -> bytes:
        """The answer to what is no request. The log gets no sentence: it may quote what the client sent."""
        request_id = new_request_id()
        log.warning(
            "refused",
            request_id=request_id,
            status=refusal.status,
            reason=STATUSES[refusal.status],
            path=path,
            client=client,
        )
        return self._answer(refusal.status, f"this is no valid HTTP request: {refusal.sentence}", request_id)

    def fail(self, error: BaseException) -> bytes:
        """The answer to a request whose application raised. The log gets where, but no message, which may quote it."""
        request_id = new_request_id()
        log.error("unforeseen", request_id=request_id, error_class=type(error).__name__, frames=frames(error))
        return self._answer(500, "the server failed on this request", request_id)

    def turn_away(self, error: RequestError, environ: Environ, waited_s: float, client: str) -> bytes:
        """The answer to a request that has waited too long for one; what `whole_request` finds of it is enough."""
        self._clients[client] += 1
        origin = environ.get("HTTP_ORIGIN", "")
        key = (environ["PATH_INFO"], environ["REQUEST_METHOD"], origin, error.message)
        told = self._told.get(key) or self._tell(key, error, environ)
        self._waits_s[told.turned].append(waited_s)
        name = request_id_of(environ).encode()
        body = name.join(told.body)
        return _named(WAIT % (told.head, waited_s * 1000), name, body, has_body=told.has_body)

    def pass_over(self, environ: Environ, waited_s: float) -> None:
        """A request whose client has gone before its turn: nothing is computed, and nobody would read an answer."""
        self._waits_s[self._turned(ClientGoneError(), environ)].append(waited_s)

    def say(self) -> None:
        """Count and log who was turned away since the last time."""
        reasons: defaultdict[str, list[float]] = defaultdict(list)
        for turned, waits_s in self._waits_s.items():
            self._count(turned, waits_s)
            reasons[turned.reason] += waits_s
        most = [client for client, _ in self._clients.most_common(1)]
        self._waits_s.clear()
        self._clients.clear()
        for reason, waits_s in reasons.items():
            facts = {"requests": len(waits_s), "longest_queue_ms": round(max(waits_s) * 1000)}
            log.warning("requests turned away", reason=reason, **facts, **dict(zip(["most_from"], most, strict=False)))

    def _turned(self, error: RequestError, environ: Environ) -> Turned:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        route = path if path in self._host.routes else UNMATCHED
        method = method if method in METHODS else OTHER_METHOD
        return Turned(error.kind, error.error_type, error.status, route, method)

    def _count(self, turned: Turned, waits_s: list[float]) -> None:
        if metrics := self._host.metrics:
            metrics.requests.labels(turned.route, turned.method, str(turned.status)).inc(len(waits_s))
            metrics.turned_away.labels(turned.reason).inc(len(waits_s))
            metrics.errors.labels(turned.error_type).inc(len(waits_s))
            for waited_s in waits_s:
                metrics.queue_seconds.observe(waited_s)

    def _tell(self, key: tuple[str, str, str, str], error: RequestError, environ: Environ) -> Told:
        """What all are told of whom this is true."""
        path, method, origin, _ = key
        head = HEAD.format(error.status, STATUSES[error.status])
        if isinstance(error, OverloadedError):
            head += f"Retry-After: {error.retry_after_s}\r\n"
        if origin:
            head += "".join(f"{name}: {value}\r\n" for name, value in self._host.allow(origin))
        body = self._host.tell(path, error, NAMELESS).split(NAMELESS.encode())
        if len(self._told) >= MOST_TOLD:
            self._told.clear()
        told = self._told[key] = Told(self._turned(error, environ), head.encode(), body, method != "HEAD")
        return told

    def _answer(self, status: int, sentence: str, request_id: str) -> bytes:
        kind = "Validation" if status < 500 else "Backend"
        body = orjson.dumps({"error": sentence, "error_type": kind, "request_id": request_id})
        if metrics := self._host.metrics:
            metrics.requests.labels(UNMATCHED, OTHER_METHOD, str(status)).inc()
            metrics.errors.labels(kind).inc()
        return _named(HEAD.format(status, STATUSES[status]).encode(), request_id.encode(), body)


def _named(head: bytes, name: bytes, body: bytes, *, has_body: bool = True) -> bytes:
    """An answer whose head lacks the request's name and the body's length."""
    head = NAME % (head, name, len(body))
    return head + body if has_body else head
