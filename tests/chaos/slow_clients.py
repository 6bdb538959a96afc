"""`python -m tests.chaos.slow_clients PORT KIND …`: clients that hold a connection as long as they are let.

A process of its own, so that the others' clocks do not wait for it. It says `{"begun": …}` once each has begun (and a
reader has got the first bytes of its answer), and at the end how each was let go, after how many seconds.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.kit.wire import post

PAUSE_S = 0.5
PATIENCE_S = 30.0
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
# Some 3.3 MB, more than the 3 MB that the kernel takes of an answer here; equal texts are computed once.
LARGE = {"text": ["An answer that is larger than what the kernel takes of it at once."] * 700}
# Some 40 MB: a vector for each token.
HUGE = {"text": [f"{number} " + "word " * 240 for number in range(42)], "pooling": "none"}


def opening(kind: str, port: int) -> bytes:
    """What a client sends at once."""
    match kind:
        case "silent":
            return b""
        case "head":
            return HEAD + b"X-Slow: "
        case "body" | "half":
            return HEAD + b"Content-Length: 100000\r\n\r\n{"
        case "open":
            return b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        case "reader":
            return post("/predict", LARGE, port)
        case "huge":
            return post("/predict", HUGE, port)
    raise ValueError(kind)


@dataclass
class Slow:
    """One of them."""

    kind: str
    port: int
    got: bytearray = field(default_factory=bytearray)
    began_s: float = 0.0
    ended_s: float = 0.0
    how: str = ""

    def begin(self) -> None:
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.connect(("127.0.0.1", self.port))
        self.sock.sendall(opening(self.kind, self.port))
        self.sock.setblocking(False)
        self.began_s = time.monotonic()

    @property
    def reads(self) -> bool:
        return self.kind in {"reader", "huge"}

    def has_begun(self) -> bool:
        """Whether a reader's answer has come so far that it holds it up."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not self.reads or bool(poll.poll(0))

    def go_on(self) -> None:
        """A byte more in the one direction or the other; nothing at all of what is huge."""
        try:
            if self.kind in {"head", "body"}:
                self.sock.send(b"a")
            part = self.sock.recv(10 if self.kind == "reader" else 4096) if self.kind != "huge" else b"-"
            self.got += part
            if not part:
                self._end("closed")
        except BlockingIOError:
            return
        except OSError:
            self._end("reset")
        if not self.how and self.reads and self._is_reset():
            self._end("reset")

    def _is_reset(self) -> bool:
        """What it has not read yet it could read still, so reading does not tell."""
        poll = select.poll()
        poll.register(self.sock, select.POLLRDHUP)
        return bool(poll.poll(0))

    def _end(self, how: str) -> None:
        status = "".join(map(chr, self.got[9:12])) if self.got.startswith(b"HTTP/1.1") and not self.reads else ""
        self.how = f"{status} {how}".strip()
        self.ended_s = time.monotonic()
        self.sock.close()


def main(port: int, kinds: list[str]) -> None:
    """See the module."""
    os.nice(19)  # what we take of the processor is not theirs to wait for
    sys.stdin.readline()  # so that our own start is over by then
    slow = [Slow(kind, port) for kind in kinds]
    for one in slow:
        one.begin()
    while not all(one.has_begun() for one in slow):
        time.sleep(0.05)
    sys.stdout.write(json.dumps({"begun": len(slow)}) + "\n")
    sys.stdout.flush()
    until_s = time.monotonic() + PATIENCE_S
    while any(not one.how for one in slow) and time.monotonic() < until_s:
        for one in slow:
            if not one.how:
                one.go_on()
        time.sleep(PAUSE_S)
    ends = Counter(f"{one.kind} {one.how or 'held'}" for one in slow)
    longest_s = max((one.ended_s or time.monotonic()) - one.began_s for one in slow)
    sys.stdout.write(json.dumps({"ends": ends, "longest_s": round(longest_s, 1)}) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
