"""Standard error, written to without ever waiting: who reads the log may stall, or go away, and costs lines alone.

A pipe or a terminal is opened once more, so that O_NONBLOCK is ours and not that of the shell or the other programs
that hold the same one; a socket (systemd's journal) is asked each time not to wait; a file never makes anybody wait.
Lines that find no room are kept for later, up to KEPT_LINES; more are dropped, counted, and the count is told first
thing once there is room again. A line of up to 4096 bytes is written whole, so those of ten workers do not mix.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import socket
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

KEPT_LINES = 200
LAST_S = 0.2
Write = Callable[[bytes], int]


class Outlet:
    """One process's way out; made before the fork, it serves the workers, too."""

    def __init__(self, tell_dropped: Callable[[int], str]) -> None:
        """`tell_dropped` makes the line that says how many are missing."""
        self._tell_dropped = tell_dropped
        self._kept: deque[bytes] = deque()
        self._dropped = 0
        self.count_dropped: Callable[[int], None] = lambda _lines: None
        self._writing = threading.Lock()
        atexit.register(self.close)
        os.register_at_fork(after_in_child=self._begin_anew)
        self._opened: tuple[tuple[int, int] | None, Write] = (None, lambda data: os.write(2, data))

    def _begin_anew(self) -> None:
        """In a child: what the parent has kept is the parent's to write."""
        self._kept, self._dropped, self._writing = deque(), 0, threading.Lock()

    def line(self, text: str) -> None:
        """Write a line, now or later."""
        self.data(text.encode(errors="replace") + b"\n")

    def data(self, line: bytes) -> None:
        """Write a line that is bytes already, with its end, now or later."""
        if sys.stderr is not sys.__stderr__:  # somebody in this process listens to it
            with contextlib.suppress(OSError):
                sys.stderr.write(line.decode())
            return
        if len(self._kept) >= KEPT_LINES:
            self._dropped += 1
            self.count_dropped(1)
        else:
            self._kept.append(line)
        self.flush()

    def flush(self, within_s: float = 0.0) -> None:
        """Write what is kept, as far as there is room; wait for room for so long at most."""
        until_s = time.monotonic() + within_s if within_s else 0.0
        while not self._try() and time.monotonic() < until_s:
            time.sleep(0.01)

    def close(self) -> None:
        """At the process's end: what finds no room within LAST_S is lost."""
        self.flush(LAST_S)
        self.count_dropped(len(self._kept))

    def _try(self) -> bool:
        """Whether nothing is left. A thread, or a signal's handler, that finds another at it leaves it to that one."""
        if not self._writing.acquire(blocking=False):
            return True
        try:
            while self._kept:
                written = self._write(self._kept[0])
                if written < len(self._kept[0]):
                    self._kept[0] = self._kept[0][written:]
                    return False
                self._kept.popleft()
                if not self._kept and self._dropped:
                    self._kept.append(self._tell_dropped(self._dropped).encode() + b"\n")
                    self._dropped = 0
            return True
        finally:
            self._writing.release()

    def _write(self, data: bytes) -> int:
        try:
            return self._way()(data)
        except BlockingIOError:
            return 0
        except OSError:  # nobody will ever read this: the collector has gone, or the disk is full
            return len(data)

    def _way(self) -> Write:
        """How to write to what descriptor 2 is at this moment: a daemon's is not what it was at the start."""
        found = os.fstat(2)
        place = (found.st_dev, found.st_ino)
        if self._opened[0] != place:
            self._opened = (place, _way(found.st_mode))
        return self._opened[1]


def _way(mode: int) -> Write:
    if stat.S_ISSOCK(mode):
        connected = socket.socket(fileno=os.dup(2))
        return lambda data: connected.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    if stat.S_ISFIFO(mode) or os.isatty(2):
        # A pipe that nobody reads yet cannot be opened for writing alone.
        for access in (os.O_WRONLY, os.O_RDWR):
            with contextlib.suppress(OSError):
                own = os.open("/proc/self/fd/2", access | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
                return lambda data: os.write(own, data)
        return _write_if_there_is_room
    return lambda data: os.write(2, data)


def _write_if_there_is_room(data: bytes) -> int:
    """Where it cannot be opened again, for it is another user's: ten at once may still find the same room, and wait."""
    if not select.select([], [2], [], 0)[1]:
        return 0
    return os.write(2, data[: select.PIPE_BUF])
