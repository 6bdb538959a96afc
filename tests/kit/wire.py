"""HTTP/1.1 as the generator speaks it: requests made before the clock runs, answers read piece by piece and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

# Numbers of each vector that are held against the reference, and how far off one may be. bfloat16 is off by 0.003 at
# most, another text's vector by 0.07 on average.
CHECKED = 8
TOLERANCE = 0.02
REFUSED = "refused, and told when to ask again"


@dataclass(frozen=True, slots=True)
class Request:
    """Bytes to send, and what is known of them."""

    data: bytes
    texts: int
    flop: float
    dimension: int
    expected: tuple[tuple[float, ...], ...] = ()
    """For each text, the first numbers of its vector; empty: not checked."""


def post(path: str, body: Any, port: int) -> bytes:
    """The bytes of a POST that carries JSON and lets the server keep the connection."""
    content = orjson.dumps(body)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: serve-bert-bench\r\n"
        f"Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


class Answer:
    """One answer as it comes in."""

    __slots__ = ("_buffer", "_head_end", "_is_chunked", "_length", "keeps_alive", "says_when", "status")

    def __init__(self) -> None:
        self.status = 0
        self.keeps_alive = True
        self.says_when = False
        """Whether it has a Retry-After."""
        self._buffer = bytearray()
        self._head_end = 0
        self._length: int | None = None
        self._is_chunked = False

    def feed(self, data: bytes) -> bool:
        """Take bytes; whether the answer is whole. Raises ValueError if this is no HTTP."""
        self._buffer += data
        if not self._head_end:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return False
            self._head_end = end + 4
            self._read_head(self._buffer[:end].decode("latin-1"))
        if self._is_chunked:
            return self._buffer.endswith(b"0\r\n\r\n")
        return self._length is not None and len(self._buffer) >= self._head_end + self._length

    def end(self) -> bool:
        """The server has closed: whether the answer was one that ends so."""
        return bool(self._head_end) and self._length is None and not self._is_chunked

    @property
    def body(self) -> bytes:
        body = bytes(self._buffer[self._head_end :])
        return unchunk(body) if self._is_chunked else body

    def _read_head(self, head: str) -> None:
        first, *lines = head.split("\r\n")
        version, _, rest = first.partition(" ")
        if not version.startswith("HTTP/"):
            raise ValueError("this is no HTTP")
        self.status = int(rest[:3])
        headers = {name.strip().lower(): value.strip().lower() for name, _, value in (x.partition(":") for x in lines)}
        self._is_chunked = headers.get("transfer-encoding") == "chunked"
        self.says_when = "retry-after" in headers
        self._length = int(headers["content-length"]) if "content-length" in headers else None
        connection = headers.get("connection", "keep-alive" if version == "HTTP/1.1" else "close")
        self.keeps_alive = connection != "close" and (self._is_chunked or self._length is not None)


def unchunk(body: bytes) -> bytes:
    """The content of a chunked body."""
    parts: list[bytes] = []
    at = 0
    while True:
        line_end = body.index(b"\r\n", at)
        size = int(body[at:line_end].split(b";")[0], 16)
        if not size:
            return b"".join(parts)
        parts.append(body[line_end + 2 : line_end + 2 + size])
        at = line_end + size + 4


def fault(request: Request, answer: Answer) -> str | None:
    """What is wrong with an answer, in two words; None if it holds the embeddings that were asked for."""
    if answer.status == 429 and answer.says_when:
        return REFUSED
    if answer.status != 200:
        return f"status {answer.status}"
    try:
        rows = rows_of(orjson.loads(answer.body))
        if len(rows) != request.texts or any(len(row) != request.dimension for row in rows):
            return "wrong dimension"
        near = all(is_near(row, expected) for row, expected in zip(rows, request.expected, strict=False))
    except (ValueError, KeyError, TypeError):
        return "no embeddings"
    return None if near else "wrong vector"


def rows_of(answer: Any) -> list[list[float]]:
    """The vectors of an answer in the write-up's shape or in OpenAI's."""
    if "data" in answer:
        return [item["embedding"] for item in answer["data"]]
    rows: list[list[float]] = answer["embeddings"]
    return rows


def is_near(row: Sequence[float], expected: Sequence[float]) -> bool:
    """Whether a vector begins as it should."""
    return all(abs(got - wanted) <= TOLERANCE for got, wanted in zip(row, expected, strict=False))
