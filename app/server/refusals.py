"""What never reaches the application, or fails outside it: answered in JSON too, counted, logged in one line."""

from __future__ import annotations

import secrets

import orjson
import structlog

from ..fleet.logs import frames
from ..fleet.metrics import METHODS, OTHER_METHOD, UNMATCHED, Metrics
from .parser import Request
from .refused import STATUSES, Refused

HEAD = (
    "HTTP/1.1 {} {}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    "X-Request-Id: {}\r\nContent-Length: {}\r\n\r\n"
)
CLIENT_GONE = 499
log = structlog.get_logger("serve-bert")


class Refusals:
    """See the module. `metrics`: where they are counted."""

    def __init__(self, metrics: Metrics | None) -> None:
        self._metrics = metrics

    def refuse(self, refusal: Refused, client: str) -> bytes:
        """The answer to what is no request. The log gets no sentence: it may quote what the client sent."""
        request_id = secrets.token_hex(16)
        log.warning("refused", request_id=request_id, status=refusal.status, client=client)
        return self._answer(refusal.status, f"this is no valid HTTP request: {refusal.sentence}", request_id)

    def fail(self, error: BaseException) -> bytes:
        """The answer to a request whose application raised. The log gets where, but no message, which may quote it."""
        request_id = secrets.token_hex(16)
        log.error("unforeseen", request_id=request_id, error_class=type(error).__name__, frames=frames(error))
        return self._answer(500, "the server failed on this request", request_id)

    def pass_over(self, request: Request) -> None:
        """A request whose client has gone before its turn: nothing is computed, and nobody would read an answer."""
        environ = request.environ
        method = environ["REQUEST_METHOD"] if environ["REQUEST_METHOD"] in METHODS else OTHER_METHOD
        self._count(method, CLIENT_GONE)
        log.info("client gone before its turn", method=method, status=CLIENT_GONE, client=environ["REMOTE_ADDR"])

    def _answer(self, status: int, sentence: str, request_id: str) -> bytes:
        kind = "Validation" if status < 500 else "Backend"
        body = orjson.dumps({"error": sentence, "error_type": kind, "request_id": request_id})
        self._count(OTHER_METHOD, status)
        return HEAD.format(status, STATUSES[status], request_id, len(body)).encode() + body

    def _count(self, method: str, status: int) -> None:
        if self._metrics:
            self._metrics.requests.labels(UNMATCHED, method, str(status)).inc()
