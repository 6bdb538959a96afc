"""When a worker was last seen alive, in memory that the master shares with it.

gunicorn keeps that as the time of a temporary file, so no worker can be born once /tmp is full, read-only or gone.
"""

from __future__ import annotations

import mmap
import os
import time
from typing import Any


class Heartbeat:
    """In the place of gunicorn's WorkerTmp; made in the master, for one worker."""

    def __init__(self, _configuration: Any) -> None:
        self._memory = mmap.mmap(-1, 8)
        self._seen_s = memoryview(self._memory).cast("d")
        # gunicorn wants a descriptor that it may close in programs that a worker starts.
        self._nothing = os.open(os.devnull, os.O_RDONLY)
        self.notify()

    def notify(self) -> None:
        """This worker lives."""
        self.seen(time.monotonic())

    def seen(self, when_s: float) -> None:
        """This worker was last seen alive then, by the monotonic clock."""
        self._seen_s[0] = when_s

    def last_update(self) -> float:
        """When it was last seen alive, by the monotonic clock. Raises ValueError once closed."""
        return self._seen_s[0]

    def fileno(self) -> int:
        """A descriptor of nothing."""
        return self._nothing

    def close(self) -> None:
        """The worker is gone, or this is another one."""
        self._seen_s.release()
        self._memory.close()
        os.close(self._nothing)
