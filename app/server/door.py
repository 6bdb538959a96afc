"""Where clients come in: the sockets that all workers of a fleet share, each taking from the kernel's one queue."""

from __future__ import annotations

import errno
import select
import socket
import time
from collections.abc import Iterator, Sequence

from .connection import Connection
from .environ import Head, base_environ
from .parser import Parser
from .passing_on import Comer, Handing
from .proxied import Preface
from .shedding import Shedding
from .terms import Terms

# Nobody waits, or who did has gone away.
NOBODY = {errno.EAGAIN, errno.ECONNABORTED, errno.EPROTO}
# So many are turned away in a row before this worker looks what else there is.
MOST_TURNED_AWAY = 500
NO_DESCRIPTOR = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class NoDescriptorError(Exception):
    """Somebody waits, and cannot be let in before another has gone."""


class Door:
    """See the module."""

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        handing: Handing | None,
        terms: Terms,
        poller: select.epoll,
        shedding: Shedding,
    ) -> None:
        self._terms = terms
        self._poller = poller
        self._shedding = shedding
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

    def rank(self, descriptor: int) -> int:
        """In which order to deal with what happens: whom another worker passed on, who is new, all else."""
        return 2 if descriptor not in self._ways else int(descriptor in self._listeners)

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._ways))

    @property
    def listeners(self) -> list[int]:
        """Where the kernel lets in who is new."""
        return [descriptor for descriptor in self._listeners if descriptor in self._ways]

    @property
    def is_there(self) -> bool:
        """Whether clients can still come: nobody has shut the last listener."""
        return bool(self.listeners)

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
        """Whoever waits there longest, and not too long; None if nobody does. Raises NoDescriptorError."""
        turned_away = 0
        while comer := self.take(descriptor):
            data: bytes | None = comer.raw
            if not comer.is_used and not data and turned_away < MOST_TURNED_AWAY:
                data = self._shedding.shed(comer.sock, comer.client[0])
            if data is not None:
                return self.connection(comer, data)
            turned_away += 1
        return None

    def take(self, descriptor: int) -> Comer | None:
        """Whoever waits there longest, as he is; None if nobody does. Raises NoDescriptorError."""
        try:
            if descriptor not in self._listeners:
                return self._handing.take() if self._handing else None
            accepted, address = self._listeners[descriptor]._accept()  # type: ignore[attr-defined]
        except OSError as error:
            if error.errno in NO_DESCRIPTOR:
                raise NoDescriptorError from None
            if error.errno not in NOBODY:  # the master has shut it, for all of us
                self.leave(descriptor)
            return None
        # listener.accept() takes 4 µs more, most of it for the names of the listener's own family and type.
        return Comer(
            socket.socket(fileno=accepted), (address[0], str(address[1])) if isinstance(address, tuple) else ("", "")
        )

    def connection(self, comer: Comer, data: bytes = b"") -> Connection:
        """One of our own from now on; `data`: what has been read of him."""
        terms, sock, client = self._terms, comer.sock, comer.client
        base = base_environ(sock.getsockname(), is_threaded=terms.threads > 1, is_for_admin=terms.is_for_admin)
        head = Head(base, client, terms.forwarders)
        preface = None
        if terms.proxy_protocol != "off" and not comer.is_used:
            preface = Preface(terms.proxy_protocol, head, is_trusted=client[0] in terms.proxies)
        connection = Connection(sock, Parser(terms.limits, head, preface), time.monotonic() + terms.patience.client_s)
        connection.is_used = comer.is_used
        if data:
            connection.take(data)
        return connection

    def leave(self, descriptor: int) -> None:
        """Let nobody in there any more."""
        way = self._ways.pop(descriptor)
        self._queue.unregister(way)
        if self.is_open:
            self._poller.unregister(way)
