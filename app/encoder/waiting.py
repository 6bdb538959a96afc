"""Long work at a start, and waiting for another process that does it: said in the log once it takes a while."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

log = structlog.get_logger("serve-bert")
FIRST_S, EVERY_S, POLL_S = 2.0, 5.0, 0.05


class Progress:
    """Says how far the work is, after two seconds and then every five."""

    def __init__(self, work: str) -> None:
        self._work = work
        self._next_s = time.monotonic() + FIRST_S

    def __call__(self, **facts: object) -> None:
        """Called often: some of it is said."""
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + EVERY_S
            log.info(self._work, **facts)


@contextmanager
def lock(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file alone; `what`: what another process does that holds it."""
    with path.open("w") as file:
        waiting = Progress(f"waiting for a process that {what}")
        while not _is_mine(file.fileno()):
            waiting(lock=str(path))
            time.sleep(POLL_S)
        yield


def _is_mine(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
