"""The loop of a thread: who is let in, who is answered next. Sockets never block; only whole requests are answered.

A client that sends or reads slowly costs a descriptor and what it sent. The loop lets somebody in only while a thread
is free, for another worker may be idle, and keeps a connection only while nobody else waits: so ten workers share out
what comes, as if each took one request at a time from one queue, though they know nothing of each other.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog

from ..fleet.logs import frames
from .clients import Clients
from .connection import Connection
from .crew import Crew
from .door import Door, NoDescriptorError
from .gateway import Answer, Printer
from .parser import Request
from .refusals import Refusals
from .terms import Host, Terms
from .watch import Watch

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SWEEP_S = 1.0
# Whose first bytes are here, but not all, gets so long until his worker turns to others: a body of some packets, or a
# head and a body in two, are mostly whole by then, and the request would wait for the others'.
NEWCOMER_S = 0.01
# A kept-alive client may be sending at the moment in which a worker stops.
PARTING_S = 2.0
log = structlog.get_logger("serve-bert")


class Loop:
    """See the module. One thread runs it and alone touches its connections."""

    def __init__(self, host: Host, listeners: Sequence[socket.socket], terms: Terms, watch: Watch) -> None:
        self._host = host
        self._terms = terms
        self._watch = watch
        self._refusals = Refusals(host.metrics)
        self._printer = Printer()
        self._poller = select.epoll()
        self._door = Door(listeners, terms, self._poller)
        self._clients = Clients(self._poller, terms.patience)
        self._alarm = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.wake_by(self._alarm)
        self._crew = Crew(host, terms.threads, watch, self.wake)
        self._newcomers: dict[Connection, float] = {}
        self._next_sweep_s = 0.0

    def wake(self) -> None:
        """Have the loop look at once whether it is to go on. From any thread, and from a signal handler."""
        os.eventfd_write(self._alarm, 1)

    def wake_by(self, descriptor: int) -> None:
        """Have the loop wake up when something can be read there; what it is, is nobody's business."""
        self._poller.register(descriptor, select.EPOLLIN)

    def run(self) -> None:
        """Serve while the host does; then answer what is in, and, at the fleet's end, all who wait."""
        while self._host.is_serving:
            self.turn()
        while self._host.is_draining and any(self._let_in(descriptor) for descriptor in self._door):
            pass
        for descriptor in self._door:
            self._door.leave(descriptor)
        self._clients.part(time.monotonic() + PARTING_S)
        while self._clients and time.monotonic() < self._watch.stops_by_s:
            self.turn(0.1)

    def turn(self, wait_s: float = SWEEP_S) -> None:
        """Wait for what happens, for so long at most, and do what there is to do."""
        busy = self._crew.working + len(self._newcomers)
        self._door.open(busy < self._terms.threads)
        happened = self._poller.poll(NEWCOMER_S if self._newcomers else wait_s)
        self._watch.work()
        # Who waits at the door first: the kernel has told no other worker of him.
        for descriptor, events in sorted(happened, key=lambda one: one[0] not in self._door):
            if descriptor in self._door:
                self._let_in(descriptor)
            elif connection := self._clients[descriptor]:
                self._move(connection, events)
            else:
                self._on_alarm(descriptor)
        now_s = time.monotonic()
        if self._newcomers:
            young = {one: since_s for one, since_s in self._newcomers.items() if since_s + NEWCOMER_S > now_s}
            self._newcomers = {one: since_s for one, since_s in young.items() if one.is_coming}
        if now_s >= self._next_sweep_s:
            self._next_sweep_s = now_s + min(wait_s, SWEEP_S)
            self._sweep(now_s)
        self._watch.rest()

    def _sweep(self, now_s: float) -> None:
        for connection in self._clients.overdue(now_s):
            with self._theirs_alone(connection):
                self._go_on(connection)
        self._clients.relieve()

    def _on_alarm(self, descriptor: int) -> None:
        try:
            os.read(descriptor, 4096)
        except BlockingIOError:
            return
        for connection, request, answer in self._crew.finished():
            with self._theirs_alone(connection):
                self._send(connection, request, answer)
                self._go_on(connection)

    def _let_in(self, descriptor: int) -> bool:
        """Let one in, and answer at once if the request is there. Whether there was anybody."""
        if len(self._clients) >= self._terms.connections:
            self._clients.give_up_one()
        try:
            connection = self._door.let_in(descriptor)
        except NoDescriptorError:
            if not self._clients.give_up_one():
                time.sleep(0.01)
            return True
        if connection:
            self._clients.add(connection)
            self._move(connection, select.EPOLLIN)
            if connection.is_coming:
                self._newcomers[connection] = time.monotonic()
        return bool(connection)

    @contextmanager
    def _theirs_alone(self, connection: Connection) -> Iterator[None]:
        """Whatever goes wrong with one client is no other's."""
        try:
            yield
        except Exception as error:  # noqa: BLE001
            log.error("unforeseen", error_class=type(error).__name__, frames=frames(error))
            self._clients.close(connection)

    def _move(self, connection: Connection, events: int) -> None:
        """Bytes can be sent, or have come."""
        with self._theirs_alone(connection):
            if events & select.EPOLLOUT:
                is_there = connection.send_rest()
            elif connection.is_closing:
                is_there = connection.drop()
            else:
                self._clients.wake(connection)
                is_there = connection.receive()
            if is_there or connection.parser.refusal:
                self._go_on(connection)
            else:
                self._clients.close(connection)

    def _go_on(self, connection: Connection) -> None:
        """Whatever can be done now for this client; then wait for what it needs."""
        parser = connection.parser
        while not (connection.is_closing or connection.unsent or connection.is_working):
            if parser.requests:
                self._answer(connection, parser.requests.popleft())
            elif parser.refusal:
                connection.send(self._refusals.refuse(parser.refusal, parser.client))
                connection.is_closing = True
            else:
                break
        if parser.wants_continue and not connection.is_closing:
            parser.wants_continue = False
            connection.send(CONTINUE)
        self._clients.settle(connection)

    def _answer(self, connection: Connection, request: Request) -> None:
        if connection.is_gone():
            self._refusals.pass_over(request)
            connection.is_closing = True
            return
        answer = self._crew.answer(connection, request)
        if answer:
            self._send(connection, request, answer)

    def _send(self, connection: Connection, request: Request, answer: Answer | Exception) -> None:
        connection.is_working = False
        keep_alive = not isinstance(answer, Exception) and request.keep_alive and self._may_keep()
        if isinstance(answer, Exception):
            connection.send(self._refusals.fail(answer))
        else:
            connection.send(*self._printer.print(answer, request, keep_alive=keep_alive))
        connection.is_closing = not keep_alive
        connection.is_used = True
        connection.wait_until(time.monotonic() + self._terms.patience.client_s)
        self._host.count_request()

    def _may_keep(self) -> bool:
        """Whether nobody else wants this thread."""
        is_open = self._host.is_serving and not self._host.is_draining and self._terms.patience.keep_alive_s > 0
        return is_open and self._clients.kept < self._terms.threads and not self._door.is_awaited()
