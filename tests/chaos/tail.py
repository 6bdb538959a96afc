"""What a fleet says from now on: only what is new is read, for the clients are in this process too."""

from __future__ import annotations

import json
from typing import Any

from tests.kit.fleet import Fleet, wait_for


class Tail:
    """The log after this moment."""

    def __init__(self, fleet: Fleet) -> None:
        self._path = fleet.log_path
        self._offset = self._path.stat().st_size
        self._rest = b""
        self._events: list[dict[str, Any]] = []

    def await_events(self, name: str, count: int = 1, timeout_s: float = 60) -> list[dict[str, Any]]:
        """Wait until there are so many of this name; all of them."""
        return list(wait_for(lambda: self._enough(name, count), f"{count} × {name}", timeout_s=timeout_s))

    def _enough(self, name: str, count: int) -> list[dict[str, Any]] | None:
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"{") and b'"event":"request"' not in line:
                self._events.append(json.loads(line))
        found = [event for event in self._events if event["event"] == name]
        return found if len(found) >= count else None
