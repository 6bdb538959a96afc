"""Who has been let in, but has not sent all of his request: his worker waits for him, for a moment."""

from __future__ import annotations

import time

from .connection import Connection

# Whose first bytes are here, but not all, gets so long until his worker turns to others: a body of some packets, or a
# head and a body in two, are mostly whole by then, and the request would wait for the others'.
NEWCOMER_S = 0.01
# One who was waited for in vain is slow, and others may be: for so long, nobody else is waited for.
UNFULFILLED_S = 1.0


class Newcomers:
    """See the module."""

    def __init__(self) -> None:
        self._came_s: dict[Connection, float] = {}
        self._waits_from_s = 0.0

    def __len__(self) -> int:
        return len(self._came_s)

    def add(self, connection: Connection) -> None:
        """Let in a moment ago."""
        now_s = time.monotonic()
        if connection.is_coming and now_s >= self._waits_from_s:
            self._came_s[connection] = now_s

    def forget(self) -> None:
        """Those who are whole, and those who were waited for long enough."""
        if self._came_s:
            now_s = time.monotonic()
            coming = {one: came_s for one, came_s in self._came_s.items() if one.is_coming}
            self._came_s = {one: came_s for one, came_s in coming.items() if came_s > now_s - NEWCOMER_S}
            if len(self._came_s) < len(coming):
                self._waits_from_s = now_s + UNFULFILLED_S
