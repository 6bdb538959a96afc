"""The connections of one worker: what the poller is to tell of each, and when it is given up."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator

from .connection import Connection
from .http_faults import Refused
from .terms import Patience

# Who is slower than this, over a window of the client's time, is given up: an attack, or as good as gone.
BYTES_PER_S = 10_000
# How long a client that has had its last answer may say nothing before we hang up. Hanging up on bytes that are still
# under way resets the connection, and the client may lose the answer (RFC 9112, 9.6).
LINGER_S = 1.0
# What answers may wait for their readers, in all, before the slowest of them is given up.
UNSENT_BYTES = 256 << 20


class Clients:
    """See the module."""

    def __init__(self, poller: select.epoll, patience: Patience) -> None:
        self._poller = poller
        self._patience = patience
        self._all: dict[int, Connection] = {}
        self.kept = 0
        """How many wait between two requests."""

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._all.values()))

    def __getitem__(self, descriptor: int) -> Connection | None:
        return self._all.get(descriptor)

    def add(self, connection: Connection) -> None:
        """A new one."""
        self._all[connection.sock.fileno()] = connection

    def close(self, connection: Connection) -> None:
        """The end of one, unless it has ended."""
        if not self.has(connection):
            return
        self._keep(connection, is_kept=False)
        self._watch(connection, 0)
        del self._all[connection.sock.fileno()]
        connection.close()

    def has(self, connection: Connection) -> bool:
        """Whether it is still one of them."""
        return self._all.get(connection.sock.fileno()) is connection

    def rest(self, connection: Connection) -> None:
        """Nothing is waited for: its request is here."""
        self._watch(connection, 0)

    def wake(self, connection: Connection) -> None:
        """It is sending: if that is another request, its time begins."""
        if connection.is_kept:
            self._keep(connection, is_kept=False)
            connection.wait_until(time.monotonic() + self._patience.client_s)

    def part(self, until_s: float) -> None:
        """Give those between two requests until then at most."""
        for connection in self:
            if connection.is_kept:
                connection.until_s = min(connection.until_s, until_s)

    def settle(self, connection: Connection) -> None:
        """Nothing more can be done for it now: wait for what it needs, or close it if that is nothing."""
        if connection.is_closing and not connection.unsent and not connection.ended_s:
            # What is unread now, or still comes, would have the kernel reset the connection.
            is_read = connection.parser.is_between and not connection.has_more()
            now_s = time.monotonic()
            if is_read or not connection.end(now_s):
                self.close(connection)
                return
            connection.wait_until(now_s + LINGER_S)
        elif connection.is_used and connection.is_idle:
            self._keep(connection, is_kept=True)
            connection.raw = b""
            connection.wait_until(time.monotonic() + self._patience.keep_alive_s)
        waits_for = select.EPOLLOUT if connection.unsent else select.EPOLLIN
        self._watch(connection, 0 if connection.is_working else waits_for)

    def overdue(self, now_s: float) -> Iterator[Connection]:
        """Close who has had his time; those that have sent a part of a request are to be told so, and come out."""
        for connection in self:
            if connection.until_s > now_s or connection.is_waiting or self._goes_on(connection, now_s):
                continue
            parser = connection.parser
            if parser.is_between or connection.is_closing or connection.unsent:
                self.close(connection)
            else:
                parser.refuse(Refused(f"it has not come whole within {self._patience.client_s:g} s", 408))
                yield connection

    def relieve(self) -> None:
        """Give up the slowest readers if too much waits for them."""
        waiting = [connection for connection in self if connection.unsent]
        surplus = sum(connection.unsent_bytes for connection in waiting) - UNSENT_BYTES
        for connection in sorted(waiting, key=lambda each: each.until_s):
            if surplus <= 0:
                break
            surplus -= connection.unsent_bytes
            self.close(connection)

    def give_up_one(self) -> bool:
        """Close whoever is nearest to his end, for his descriptor is needed. Whether there is one."""
        idle = [connection for connection in self if not connection.is_waiting]
        if idle:
            self.close(min(idle, key=lambda each: each.until_s))
        return bool(idle)

    def _keep(self, connection: Connection, *, is_kept: bool) -> None:
        self.kept += is_kept - connection.is_kept
        connection.is_kept = is_kept

    def _goes_on(self, connection: Connection, now_s: float) -> bool:
        """Whether it moved enough in its time to get as much again: a large body or answer, not a head."""
        window_s = LINGER_S if connection.ended_s else self._patience.client_s
        is_head = connection.parser.in_head and not connection.unsent and not connection.ended_s
        has_moved = connection.moved_bytes - connection.window_bytes >= BYTES_PER_S * window_s
        is_long_over = connection.ended_s and now_s > connection.ended_s + self._patience.client_s
        if is_head or is_long_over or not has_moved:
            return False
        connection.wait_until(now_s + window_s)
        return True

    def _watch(self, connection: Connection, wanted: int) -> None:
        if wanted == connection.watched:
            return
        if not connection.watched:
            self._poller.register(connection.sock, wanted)
        elif not wanted:
            self._poller.unregister(connection.sock)
        else:
            self._poller.modify(connection.sock, wanted)
        connection.watched = wanted
