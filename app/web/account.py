"""One account a request: what came, what it took, what went. Headers, metrics and log line are told from it at its end.

The text itself is never in it, nor anything else of the body.
"""

from __future__ import annotations

import io
import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from flask import Request

from ..encoder import Embeddings
from ..request_errors import ClientGoneError, DeadlineError, RequestError
from .services import Services
from .trace import Trace

LOGGED_CHARS = 300
# Who waits no more for an answer that is under way; at the door such are counted by whoever turns them away.
ENDED_EARLY = {DeadlineError.kind, ClientGoneError.kind}
REMARKS = {
    "truncated_texts": "X-Truncated-Texts",
    "truncated_tokens": "X-Truncated-Tokens",
    "unknown_tokens": "X-Unknown-Tokens",
    "empty_texts": "X-Empty-Texts",
}
"""The header of each of `Embeddings.remarks`."""
_accounts: ContextVar[Account | None] = ContextVar("account", default=None)


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


@dataclass(slots=True)
class Account:
    """Opened before a request, closed after it; filled on the way by whoever knows."""

    request: Request
    """Flask's own, not what stands for it: asked for often, that costs."""
    services: Services
    request_id: str
    body: CountingBody
    started_s: float
    form: str = ""
    """How texts were given: "single" or "batch"; "" if the request has none."""
    characters: int = 0
    """Code points of all texts; of one that is given as ids, their number."""
    queue_s: float = 0.0
    """How long the request waited until somebody took it up."""
    decode_s: float = 0.0
    encode_s: float = 0.0
    found: Embeddings | None = None
    failure: str = ""
    """What went wrong, as `RequestError.kind` names it."""
    error_type: str = ""
    """What went wrong, as the answer names it."""
    error: str = ""
    """What was said of it, unless that may quote the body."""
    trace: Trace | None = None
    """The trace that it is part of."""
    key_name: str = ""
    """Of the key that was sent, where it has a name."""

    def headers(self, total_s: float) -> list[tuple[str, str]]:
        """What a client is told of its request: whose vectors they are, what was cut, milliseconds of each part.

        Where Text Embeddings Inference tells the same, under its names.
        """
        told = [("X-Request-Id", self.request_id)]
        if self.trace:
            told.append(("traceparent", self.trace.traceparent))
        if found := self.found:
            told += (
                ("X-Model-Fingerprint", found.fingerprint),
                ("X-Compute-Type", "cpu"),
                ("X-Compute-Characters", str(self.characters)),
                ("X-Compute-Tokens", str(found.tokens)),
                ("X-Compute-Time", milliseconds(found.tokenize_s + found.forward_s)),
                ("X-Decode-Time", milliseconds(self.decode_s)),
                ("X-Tokenization-Time", milliseconds(found.tokenize_s)),
                ("X-Inference-Time", milliseconds(found.forward_s)),
                ("X-Encode-Time", milliseconds(self.encode_s)),
            )
            if remarks := found.remarks:
                told += ((REMARKS[name], str(count)) for name, count in remarks.items())
        told += (("X-Queue-Time", milliseconds(self.queue_s)), ("X-Total-Time", milliseconds(total_s)))
        return told

    @property
    def total_s(self) -> float:
        """Since the request's last byte came."""
        return self.queue_s + time.perf_counter() - self.started_s

    def facts(self) -> dict[str, Any]:
        """What the log line says beside the request's own: counts and times, and what went wrong."""
        facts: dict[str, Any] = {"queue_ms": round(self.queue_s * 1000, 3)}
        if found := self.found:
            facts |= {
                "texts": len(found.lengths),
                "tokens": found.tokens,
                "decode_ms": round(self.decode_s * 1000, 3),
                "tokenize_ms": round(found.tokenize_s * 1000, 3),
                "forward_ms": round(found.forward_s * 1000, 3),
                "encode_ms": round(self.encode_s * 1000, 3),
                "fingerprint": found.fingerprint,
                **found.remarks,
            }
        if trace := self.trace:
            facts |= {"trace_id": trace.trace_id, "span_id": trace.span_id}
        if self.key_name:
            facts["key_name"] = self.key_name
        if self.failure:
            facts |= {"failure": self.failure, "error_type": self.error_type}
            if self.error:
                facts["error"] = self.error
        return facts

    def fail(self, error: RequestError) -> None:
        """It ends with this error."""
        self.failure, self.error_type = error.kind, error.error_type
        self.error = "" if error.is_quoting else error.message[:LOGGED_CHARS]

    def count(self, seconds: float) -> None:
        """Move the series of requests with texts, of which this one took so many seconds."""
        metrics, move = self.services.metrics, self.services.moves
        if self.error_type:
            metrics.errors.labels(self.error_type).inc()
            if self.failure in ENDED_EARLY:
                metrics.turned_away.labels(self.failure).inc()
        if not self.form:
            return
        move.inputs(self.form, self.failure or "ok")
        if not self.failure and (found := self.found):
            tokens = found.tokens
            move.embedding_seconds(seconds)
            move.texts_per_request(len(found.lengths))
            move.tokens_per_request(tokens)
            for length in found.lengths:
                move.tokens_per_text(length)
            move.texts(len(found.lengths))
            move.tokens(tokens)
            move.tokenize_seconds(found.tokenize_s)
            move.forward_seconds(found.forward_s)
            move.encode_seconds(self.encode_s)
            for name, count in found.remarks.items():
                metrics.remarks[name].inc(count)


def account() -> Account:
    """This request's."""
    found = _accounts.get()
    if found is None:
        raise LookupError("no request is under way")
    return found


def open_account(told: Account | None) -> None:
    """This request's from now on, until there is none."""
    _accounts.set(told)


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds to the microsecond: "2.318"."""
    return f"{seconds * 1000:.3f}"
