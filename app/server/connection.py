"""One client's socket, which never blocks: what has come of its requests, what has not gone yet of its answers."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections import deque

from .arrival import is_gone
from .parser import Parser

RECEIVED_BYTES = 65536
# What can be passed on to another worker in one message.
RAW_BYTES = 65536
# A head and a body that are sent in one piece cost one call and one packet; larger ones are not worth the copy.
JOINED_BYTES = 65536
# SO_LINGER on, for no time: closing resets.
RESET = struct.pack("ii", 1, 0)
# What a client that has had its last answer still sends goes here.
_nowhere = bytearray(RECEIVED_BYTES)


class Connection:
    """See the module. The loop's own thread alone touches it, but for `is_gone`."""

    __slots__ = (
        "ended_s",
        "is_closing",
        "is_kept",
        "is_used",
        "is_working",
        "moved_bytes",
        "parser",
        "peer",
        "raw",
        "sock",
        "unsent",
        "unsent_bytes",
        "until_s",
        "watched",
        "window_bytes",
    )

    def __init__(self, sock: socket.socket, parser: Parser, until_s: float) -> None:
        self.peer = parser.client
        """Who is at the other end: the client, or a proxy, which may say first for whom it is there."""
        sock.settimeout(0)
        self.sock = sock
        self.parser = parser
        self.until_s = until_s
        """When it is given up, by the monotonic clock, unless it has moved enough by then."""
        self.moved_bytes = 0
        """Sent and received, in all."""
        self.window_bytes = 0
        """What had moved when `until_s` was set."""
        self.raw: bytes | None = b""
        """What has come since the last answer, for another worker to parse; None: it is too much, or more than one."""
        self.unsent: deque[memoryview] = deque()
        self.unsent_bytes = 0
        self.watched = 0
        """What the poller tells us of."""
        self.is_working = False
        """Whether one of its requests is being answered."""
        self.is_kept = False
        """Whether it is between two requests, after the first."""
        self.is_used = False
        """Whether a request of it has been answered."""
        self.is_closing = False
        """Whether its last answer has been made."""
        self.ended_s = 0.0
        """When our side was shut; 0: it is not."""

    @property
    def is_waiting(self) -> bool:
        """Whether a whole request of it is being answered, or waits for that: its client is not to blame."""
        return self.is_working or bool(self.parser.requests)

    @property
    def is_coming(self) -> bool:
        """Whether a part of a request has come, and its rest is waited for."""
        return not (self.parser.is_between or self.is_working or self.is_closing or self.unsent)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be done, and nothing of another request has come."""
        return self.parser.is_between and not (self.is_working or self.is_closing or self.unsent)

    def receive(self) -> bool:
        """Take what is there, and have it parsed. False: the client has gone; the parser says what is missing."""
        try:
            data = self.sock.recv(RECEIVED_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if data:
            self.take(data)
        else:
            self.parser.end()
        return bool(data)

    def take(self, data: bytes) -> None:
        """Have parsed what has come."""
        self.moved_bytes += len(data)
        self._keep_raw(data)
        self.parser.feed(data)

    def _keep_raw(self, data: bytes) -> None:
        if self.raw is not None:
            self.raw = self.raw + data if self.raw else data
            if len(self.raw) > RAW_BYTES:
                self.raw = None

    def forget_raw(self) -> None:
        """One is about to be answered. What has come of the next cannot be told from it."""
        parser = self.parser
        self.raw = b"" if parser.is_between and not parser.requests else None

    def drop(self) -> bool:
        """Drop what is there. False: nothing more comes."""
        try:
            dropped_bytes = self.sock.recv_into(_nowhere)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.moved_bytes += dropped_bytes
        return bool(dropped_bytes)

    def is_gone(self) -> bool:
        """See the function."""
        return is_gone(self.sock)

    def has_more(self) -> bool:
        """Whether there is something to read that nobody has read."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))

    def send(self, *parts: bytes) -> bool:
        """Send now what the socket takes, and keep the rest. False: the client has gone."""
        if len(parts) > 1 and sum(map(len, parts)) <= JOINED_BYTES:
            parts = (b"".join(parts),)
        for part in filter(None, parts):
            self.unsent.append(memoryview(part))
            self.unsent_bytes += len(part)
        return self.send_rest()

    def send_rest(self) -> bool:
        """Send what the socket takes of what was kept. False: the client has gone."""
        try:
            while self.unsent:
                part = self.unsent[0]
                sent = self.sock.send(part)
                self.moved_bytes += sent
                self.unsent_bytes -= sent
                if sent < len(part):
                    self.unsent[0] = part[sent:]
                else:
                    self.unsent.popleft()
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def wait_until(self, until_s: float) -> None:
        """Give the client until then; what it has moved so far does not count any more."""
        self.until_s = until_s
        self.window_bytes = self.moved_bytes

    def end(self, now_s: float) -> bool:
        """Shut our side: the client knows then that nothing more comes. False: it has gone already."""
        self.ended_s = now_s
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Let go of everything. What the client has not taken is not kept for it by the kernel either."""
        self.parser.close()
        if self.unsent:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.unsent.clear()
        self.sock.close()
