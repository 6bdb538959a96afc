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
from .proxied import Preface
from .terms import Terms

# Nobody waits, or who did has gone away.
NOBODY = {errno.EAGAIN, errno.ECONNABORTED, errno.EPROTO}
NO_DESCRIPTOR = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class NoDescriptorError(Exception):
    """Somebody waits, and cannot be let in before another has gone."""


class Door:
    """See the module."""

    def __init__(self, listeners: Sequence[socket.socket], terms: Terms, poller: select.epoll) -> None:
        self._terms = terms
        self._poller = poller
        self._queue = select.poll()
        self._is_open = False
        self._listeners = {listener.fileno(): listener for listener in listeners}
        self._bases = {
            descriptor: base_environ(
                listener.getsockname(), is_threaded=terms.threads > 1, is_for_admin=terms.is_for_admin
            )
            for descriptor, listener in self._listeners.items()
        }
        for listener in listeners:
            listener.settimeout(0)
            self._queue.register(listener, select.POLLIN)

    def __contains__(self, descriptor: int) -> bool:
        return descriptor in self._listeners

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._listeners))

    def is_awaited(self) -> bool:
        """Whether somebody waits to be let in."""
        return bool(self._queue.poll(0))

    def open(self, wanted: bool) -> None:  # noqa: FBT001
        """Have the poller tell who comes, or not. It tells one worker of several that wait for it."""
        if wanted == self._is_open:
            return
        for listener in self._listeners.values():
            if wanted:
                self._poller.register(listener, select.EPOLLIN | select.EPOLLEXCLUSIVE)
            else:
                self._poller.unregister(listener)
        self._is_open = wanted

    def let_in(self, descriptor: int) -> Connection | None:
        """Whoever waits there longest; None if nobody does. Raises NoDescriptorError."""
        try:
            sock, address = self._listeners[descriptor].accept()
        except OSError as error:
            if error.errno in NO_DESCRIPTOR:
                raise NoDescriptorError from None
            if error.errno not in NOBODY:  # the master has shut it, for all of us
                self.leave(descriptor)
            return None
        terms = self._terms
        client = (address[0], str(address[1])) if isinstance(address, tuple) else ("", "")
        head = Head(self._bases[descriptor], client, terms.forwarders)
        preface = None
        if terms.proxy_protocol != "off":
            preface = Preface(terms.proxy_protocol, head, is_trusted=client[0] in terms.proxies)
        return Connection(sock, Parser(terms.limits, head, preface), time.monotonic() + terms.patience.client_s)

    def leave(self, descriptor: int) -> None:
        """Let nobody in there any more."""
        listener = self._listeners.pop(descriptor)
        self._queue.unregister(listener)
        if self._is_open:
            self._poller.unregister(listener)
