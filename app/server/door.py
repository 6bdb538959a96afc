"""Where clients come in: the sockets that all workers of a fleet share, each taking from the kernel's one queue."""

from __future__ import annotations

import errno
import select
import socket
import time
from collections.abc import Iterator, Sequence

from .connection import Connection
from .environ import Head, base_environ
from .handing import Handing
from .parser import Parser
from .proxied import Preface
from .terms import Terms

# Nobody waits, or who did has gone away.
NOBODY = {errno.EAGAIN, errno.ECONNABORTED, errno.EPROTO}
NO_DESCRIPTOR = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class NoDescriptorError(Exception):
    """Somebody waits, and cannot be let in before another has gone."""


class Door:
    """See the module."""

    def __init__(
        self, listeners: Sequence[socket.socket], handing: Handing | None, terms: Terms, poller: select.epoll
    ) -> None:
        self._terms = terms
        self._poller = poller
        self._queue = select.poll()
        self.is_open = False
        self._listeners = {listener.fileno(): listener for listener in listeners}
        self._handing = handing
        self._ways: dict[int, socket.socket | Handing] = {**self._listeners}
        if handing:
            self._ways[handing.fileno()] = handing
        for listener in listeners:
            listener.settimeout(0)
        for way in self._ways.values():
            self._queue.register(way, select.POLLIN)

    def __contains__(self, descriptor: int) -> bool:
        return descriptor in self._ways

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._ways))

    @property
    def is_there(self) -> bool:
        """Whether clients can still come: nobody has shut the last listener."""
        return any(descriptor in self._ways for descriptor in self._listeners)

    def is_awaited(self) -> bool:
        """Whether somebody waits to be let in."""
        return bool(self._queue.poll(0))

    def open(self, wanted: bool) -> None:  # noqa: FBT001
        """Have the poller tell who comes, or not. It tells one worker of several that wait for it."""
        if wanted == self.is_open:
            return
        for way in self._ways.values():
            if wanted:
                self._poller.register(way, select.EPOLLIN | select.EPOLLEXCLUSIVE)
            else:
                self._poller.unregister(way)
        self.is_open = wanted

    def let_in(self, descriptor: int) -> Connection | None:
        """Whoever waits there longest; None if nobody does. Raises NoDescriptorError."""
        try:
            if descriptor not in self._listeners:
                return self._handed()
            sock, address = self._listeners[descriptor].accept()
        except OSError as error:
            if error.errno in NO_DESCRIPTOR:
                raise NoDescriptorError from None
            if error.errno not in NOBODY:  # the master has shut it, for all of us
                self.leave(descriptor)
            return None
        return self._connection(sock, (address[0], str(address[1])) if isinstance(address, tuple) else ("", ""))

    def leave(self, descriptor: int) -> None:
        """Let nobody in there any more."""
        way = self._ways.pop(descriptor)
        self._queue.unregister(way)
        if self.is_open:
            self._poller.unregister(way)

    def _handed(self) -> Connection | None:
        """Another worker's."""
        taken = self._handing.take() if self._handing else None
        if not taken:
            return None
        connection = self._connection(taken.sock, taken.client, is_used=taken.is_used)
        connection.is_used = taken.is_used
        connection.raw = taken.raw
        connection.parser.feed(taken.raw)
        return connection

    def _connection(self, sock: socket.socket, client: tuple[str, str], *, is_used: bool = False) -> Connection:
        terms = self._terms
        base = base_environ(sock.getsockname(), is_threaded=terms.threads > 1, is_for_admin=terms.is_for_admin)
        head = Head(base, client, terms.forwarders)
        preface = None
        if terms.proxy_protocol != "off" and not is_used:
            preface = Preface(terms.proxy_protocol, head, is_trusted=client[0] in terms.proxies)
        return Connection(sock, Parser(terms.limits, head, preface), time.monotonic() + terms.patience.client_s)
