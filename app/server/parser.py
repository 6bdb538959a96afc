"""Bytes to requests: HTTP/1.1 as llhttp reads it, strictly and within bounds, each once its body has come whole."""

from __future__ import annotations

import io
from collections import deque
from dataclasses import dataclass
from typing import Any

import httptools

from .environ import Head, Target, logged_path
from .http_faults import Refused
from .proxied import Preface

# A head of more is refused, whatever its parts (nginx and others stop at 32 KiB), and so is a trailer or a chunk's
# extension; by one piece more than that, for what is left of the piece in which it begins is not counted.
HEAD_BYTES = 65536
TLS_HANDSHAKE = b"\x16\x03"


@dataclass(frozen=True)
class Limits:
    """What a request may measure, in bytes and in header fields; 0 is no limit."""

    line_bytes: int
    fields: int
    field_bytes: int
    body_bytes: int


@dataclass(slots=True)
class Request:
    """A request as an application gets it (PEP 3333)."""

    environ: dict[str, Any]
    keep_alive: bool
    """Whether the client wants, and HTTP allows, another request on this connection."""


class _EnoughError(Exception):
    """The request can be answered without the rest of it."""


class Parser:
    """One connection's bytes in, its requests out.

    A body over the limit is not read: the request comes out with its CONTENT_LENGTH, as the client declared it or as
    far as it was read, for the application to refuse, and is the connection's last.
    """

    def __init__(self, limits: Limits, head: Head, preface: Preface | None = None) -> None:
        self.requests: deque[Request] = deque()
        self.refusal: Refused | None = None
        """To be answered once all of `requests` are, and the last answer of this connection."""
        self.is_between = True
        """Whether nothing of a request has come that is not in `requests`."""
        self.wants_continue = False
        """Whether the client waits for "100 Continue" before it sends the body."""
        self.in_head = True
        """Whether the head of the next request has not come whole."""
        self._limits = limits
        self._head = head
        self._preface = preface
        self._unseen_bytes = 0
        """What has come since llhttp last called: of a line that may have no end."""
        self._llhttp: Any = httptools.HttpRequestParser(self)
        self._begin()

    @property
    def client(self) -> tuple[str, str]:
        """The client's address and port, as far as is known; "" over a unix socket."""
        return self._head.client

    @property
    def path(self) -> str:
        """Of the request that is coming, as far as it has come, for a line of the log."""
        return logged_path(self._target.partition(b"?")[0])

    def feed(self, data: bytes) -> None:
        """Take what has come, in pieces of any size."""
        if self._llhttp is None:
            return
        self._unseen_bytes += len(data)
        try:
            if self._preface:
                data = self._preface.take(data)
            self._llhttp.feed_data(data)
        except Refused as refused:  # of the preface: llhttp wraps those of its callbacks
            self.refuse(refused)
        except httptools.HttpParserUpgrade as upgrade:
            self._stay(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._stop(error, data)
        else:
            if self._unseen_bytes > HEAD_BYTES:
                what = "head" if self.in_head else "trailer, or a chunk's extension,"
                self.refuse(Refused(f"its {what} has more than {HEAD_BYTES} bytes", 431))

    def end(self) -> None:
        """The client sends nothing more: what is not whole by now never will be."""
        if self._llhttp and not self.is_between:
            body = f"its body ends after {self._body_bytes} bytes, which is before its end"
            self.refuse(Refused("it ends within its head" if self.in_head else body))

    def close(self) -> None:
        """Read nothing more; llhttp and this object refer to each other, and are let go."""
        self._llhttp = None

    def refuse(self, refusal: Refused) -> None:
        """Read nothing more, and have the client told why."""
        self.refusal = refusal
        self.is_between = False
        self.close()

    def _stay(self, rest: bytes) -> None:
        """Speak HTTP/1.1 on, though the client offers another (RFC 9110, 7.8): llhttp would pass over the body."""
        head = [b"%s %s HTTP/1.1" % (self._llhttp.get_method(), self._target)]
        head += [name + b": " + value for name, value in self._fields if name.lower() != b"upgrade"]
        self._llhttp = httptools.HttpRequestParser(self)
        self.feed(b"\r\n".join([*head, b"", rest]))

    def _stop(self, error: httptools.HttpParserError, data: bytes) -> None:
        cause = error.__context__
        if isinstance(cause, Refused):
            self.refuse(cause)
        elif isinstance(cause, _EnoughError) or (self.requests and not self.requests[-1].keep_alive):
            self.close()
        elif isinstance(error, httptools.HttpParserCallbackError):
            raise error
        elif "PRI" in str(error):
            self.refuse(Refused("this service speaks HTTP/1.1, not HTTP/2", 505))
        else:
            is_tls = data.startswith(TLS_HANDSHAKE)
            self.refuse(Refused("it begins as TLS does; a proxy in front can speak that" if is_tls else str(error)))

    def _begin(self) -> None:
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._body_bytes = 0

    # What follows is called by llhttp.

    def on_message_begin(self) -> None:
        """A first byte."""
        self.is_between = False
        self._unseen_bytes = 0
        self._begin()

    def on_url(self, part: bytes) -> None:
        """A piece of the target."""
        self._target += part
        if 0 < self._limits.line_bytes < len(self._target):
            raise Refused(f"its first line has more than {self._limits.line_bytes} bytes", 414)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field, of the head or (and then it is dropped) behind a chunked body."""
        if not self.in_head:
            return
        self._fields.append((name, value))
        limits = self._limits
        if 0 < limits.field_bytes < len(name) + len(value):
            raise Refused(f"a header field of it has more than {limits.field_bytes} bytes", 431)
        if 0 < limits.fields < len(self._fields):
            raise Refused(f"it has more than {limits.fields} header fields", 431)

    def on_headers_complete(self) -> None:
        """The head has come: see whether the body is wanted."""
        llhttp = self._llhttp
        environ = self._environ = self._head.environ(
            llhttp.get_method(), Target(self._target), llhttp.get_http_version(), self._fields
        )
        self._unseen_bytes = 0
        if environ["REQUEST_METHOD"] == "CONNECT":
            self._emit("0")
            raise _EnoughError
        if llhttp.should_upgrade():
            return
        self.in_head = False
        declared = environ.get("CONTENT_LENGTH", "")
        if declared and int(declared) > self._limits.body_bytes:
            self._emit(declared)
            raise _EnoughError
        self.wants_continue = "HTTP_EXPECT" in environ and environ["SERVER_PROTOCOL"] == "HTTP/1.1"

    def on_body(self, part: bytes) -> None:
        """A piece of the body."""
        self.wants_continue = False
        self._unseen_bytes = 0
        self._body.append(part)
        self._body_bytes += len(part)
        if self._body_bytes > self._limits.body_bytes:
            self._body.clear()
            self._emit(str(self._body_bytes))
            raise _EnoughError

    def on_chunk_header(self) -> None:
        """A chunk's size, and its extension, if it has one."""
        self._unseen_bytes = 0

    def on_message_complete(self) -> None:
        """The body has come."""
        if self.in_head:  # an upgrade, of which we know better
            return
        self.in_head = True
        self.is_between = True
        self.wants_continue = False
        self._emit(str(self._body_bytes), keep_alive=self._llhttp.should_keep_alive())

    def _emit(self, content_length: str, *, keep_alive: bool = False) -> None:
        environ = self._environ
        environ.pop("HTTP_TRANSFER_ENCODING", None)  # it has a length now, which Werkzeug would not look at else
        environ["CONTENT_LENGTH"] = content_length
        environ["wsgi.input"] = io.BytesIO(self._body[0] if len(self._body) == 1 else b"".join(self._body))
        self._body = []
        self.requests.append(Request(environ, keep_alive))
