"""One account a request: what came, what it took, what went. Headers, metrics and log line are told from it at its end.

The text itself is never in it, nor anything else of the body.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import g

from ..encoder import Embeddings
from ..fleet.metrics import Metrics


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

    def headers(self) -> Iterator[tuple[str, str]]:
        """What a client is told of its request: whose vectors they are, what was cut, milliseconds of each part.

        Where Text Embeddings Inference tells the same, under its names.
        """
        yield "X-Request-Id", self.request_id
        if found := self.found:
            yield "X-Model-Fingerprint", found.fingerprint
            yield "X-Compute-Type", "cpu"
            yield "X-Compute-Characters", str(self.characters)
            yield "X-Compute-Tokens", str(found.tokens)
            yield "X-Compute-Time", milliseconds(found.tokenize_s + found.forward_s)
            yield "X-Decode-Time", milliseconds(self.decode_s)
            yield "X-Tokenization-Time", milliseconds(found.tokenize_s)
            yield "X-Inference-Time", milliseconds(found.forward_s)
            yield "X-Encode-Time", milliseconds(self.encode_s)
            if found.cut_texts:
                yield "X-Truncated-Texts", str(found.cut_texts)
                yield "X-Truncated-Tokens", str(found.cut_tokens)
        yield "X-Queue-Time", milliseconds(self.queue_s)
        yield "X-Total-Time", milliseconds(self.total_s)

    @property
    def total_s(self) -> float:
        """Since the request's last byte came."""
        return self.queue_s + time.perf_counter() - self.started_s

    def facts(self) -> dict[str, Any]:
        """What the log line says beside the request's own: counts and times."""
        facts: dict[str, Any] = {"queue_ms": round(self.queue_s * 1000, 3)}
        if found := self.found:
            facts |= {
                "texts": len(found.lengths),
                "tokens": found.tokens,
                "tokenize_ms": round(found.tokenize_s * 1000, 3),
                "forward_ms": round(found.forward_s * 1000, 3),
            }
            if found.cut_texts:
                facts |= {"truncated_texts": found.cut_texts, "truncated_tokens": found.cut_tokens}
        return facts | ({"failure": self.failure} if self.failure else {})

    def count(self, metrics: Metrics, seconds: float) -> None:
        """Move the series of requests with texts, of which this one took so many seconds."""
        if not self.form:
            return
        metrics.inputs.labels(self.form, self.failure or "ok").inc()
        if not self.failure and (found := self.found):
            metrics.embedding_seconds.observe(seconds)
            metrics.texts_per_request.observe(len(found.lengths))
            metrics.tokens_per_request.observe(found.tokens)
            for tokens in found.lengths:
                metrics.tokens_per_text.observe(tokens)
            metrics.texts.inc(len(found.lengths))
            metrics.tokens.inc(found.tokens)
            metrics.tokenize_seconds.observe(found.tokenize_s)
            metrics.forward_seconds.observe(found.forward_s)
            if found.cut_texts:
                metrics.truncated_texts.inc(found.cut_texts)
                metrics.truncated_tokens.inc(found.cut_tokens)


def account() -> Account:
    """This request's."""
    found: Account = g.account
    return found


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds to the microsecond: "2.318"."""
    return f"{seconds * 1000:.3f}"
