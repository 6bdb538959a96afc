"""One client's connection: sends prepared bytes and reads one answer at a time, without ever blocking."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector

from tests.kit.wire import Answer, Request, fault

RECEIVE_BYTES = 1 << 18


class Connection:
    """At most one request is in flight; the connection is opened when there is none, and kept if the server lets it."""

    def __init__(self, port: int, selector: BaseSelector) -> None:
        self._port = port
        self._selector = selector
        self._sock: socket.socket | None = None
        self._unsent = b""
        self._answer = Answer()
        self._is_reused = False
        self.request: Request | None = None
        self.scheduled_s = 0.0
        self.started_s = 0.0
        self.error: str | None = None

    def begin(self, request: Request, scheduled_s: float) -> bool:
        """Send a request that was due at `scheduled_s`; whether it has failed already."""
        self.request, self.scheduled_s, self.started_s = request, scheduled_s, time.perf_counter()
        self._unsent, self._answer, self.error = request.data, Answer(), None
        self._is_reused = self._sock is not None
        try:
            self._send(self._sock or self._open())
        except OSError:
            return self._end("connection refused")
        return False

    def advance(self) -> bool:
        """Go on after an event; whether the request in flight has ended, with `error` None if it was answered."""
        sock = self._sock
        if sock is None:
            return False
        try:
            if self._unsent:
                self._send(sock)
            data = sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        return self._take(data)

    def close(self) -> None:
        """Leave the server, whatever it was doing."""
        sock, self._sock = self._sock, None
        if sock is not None:
            with contextlib.suppress(KeyError):
                self._selector.unregister(sock)
            sock.close()

    def _take(self, data: bytes) -> bool:
        if self.request is None:  # idle: the server closes, or says what nobody asked for
            self.close()
            return False
        try:
            is_whole = self._answer.feed(data) if data else self._answer.end()
        except ValueError:
            return self._end("no HTTP")
        if is_whole:
            return self._end(fault(self.request, self._answer))
        if data:
            return False
        return self._end("closed when reused" if self._is_reused else "broken connection")

    def _open(self) -> socket.socket:
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        code = sock.connect_ex(("127.0.0.1", self._port))
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, "connect")
        self._selector.register(sock, EVENT_READ, self)
        return sock

    def _send(self, sock: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            self._unsent = self._unsent[sock.send(self._unsent) :]
        wanted = EVENT_READ | EVENT_WRITE if self._unsent else EVENT_READ
        if self._selector.get_key(sock).events != wanted:
            self._selector.modify(sock, wanted, self)

    def _end(self, error: str | None) -> bool:
        self.error = error
        if error or not self._answer.keeps_alive:
            self.close()
        return True
