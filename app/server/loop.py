"""The loop of a thread: it waits for what happens at the door and at its clients', and never for one of them.

A client that sends or reads slowly costs a descriptor and what it sent. The loop lets somebody in only while a thread
is free, for another worker may be idle, and keeps a connection only while nobody else waits: so ten workers share out
what comes, as if each took one request at a time from one queue, though they know nothing of each other. While its
thread is at a long request, the attendant stands in: it reads, writes, gives up who is overdue, passes requests that
have come whole to other workers, and looks through the queue (siblings.py).
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Sequence

from .clients import Clients
from .connection import Connection
from .crew import Crew
from .desk import Desk
from .door import Door, NoDescriptorError
from .newcomers import NEWCOMER_S, Newcomers
from .passing_on import Handing
from .shedding import Shedding
from .shift import Shift
from .siblings import Siblings
from .sorting import Sorting
from .terms import Host, Terms
from .watch import Watch

SWEEP_S = 1.0
# How often the queue is looked through, once nobody here has been able to answer for so long: probes are to be answered
# within half a second, but where requests are short there is always somebody, and it would cost more than it gives.
LOOK_S, LOOK_AFTER_S = 0.05, 0.15
# At a fleet's end the master shuts the sockets for all once nobody waits on them, after half a second at most.
SHUT_S = 0.6
# A kept-alive client may be sending at the moment in which a worker stops.
PARTING_S = 2.0


class Loop:
    """See the module. `handing`: to and from other workers."""

    def __init__(
        self,
        host: Host,
        listeners: Sequence[socket.socket],
        terms: Terms,
        watch: Watch,
        handing: Handing | None = None,
    ) -> None:
        self._host = host
        self._terms = terms
        self._watch = watch
        self._poller = select.epoll()
        # The clients have a poller of their own, within the other, so that the attendant can wait for them alone.
        self._at_clients = select.epoll()
        self._clients = Clients(self._at_clients, terms.patience)
        self._alarm = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._shift = Shift(lambda: len(self._clients) > 1)
        self._crew = Crew(host, terms.threads, watch, self._shift, self.wake)
        shedding = Shedding(terms.admission, self._crew.refusals)
        self._door = Door(listeners, handing, terms, self._poller, shedding)
        self._desk = Desk(host, terms, self._clients, self._crew, self._door)
        sorting = Sorting(self._door, handing, terms.admission, self._deal_with) if handing else None
        self._siblings = Siblings(host, self._clients, self._desk, handing, sorting)
        self._newcomers = Newcomers()
        self._next_sweep_s = 0.0
        self.is_awake = False
        """Whether its thread is at something, or does not wait at least."""
        self._others: dict[int, Callable[[], object]] = {}
        self.call(self._alarm, self._on_alarm)
        self.call(self._at_clients.fileno(), self._serve_clients)

    def close(self) -> None:
        """Leave all clients, and give back what waiting takes."""
        for connection in self._clients:
            self._clients.close(connection)
        self._poller.close()
        self._at_clients.close()
        os.close(self._alarm)

    def wake(self) -> None:
        """Have the loop look at once whether it is to go on. From any thread, and from a signal handler."""
        os.eventfd_write(self._alarm, 1)

    def call(self, descriptor: int, then: Callable[[], object]) -> None:
        """Call `then`, which reads it, when something can be read there."""
        self._others[descriptor] = then
        self._poller.register(descriptor, select.EPOLLIN)

    def run(self) -> None:
        """Serve while the host does; then answer what is in, and, at the fleet's end, all who wait."""
        while self._host.is_serving:
            self.turn()
        shut_by_s = time.monotonic() + SHUT_S
        while self._host.is_draining and self._door.is_there and time.monotonic() < shut_by_s:
            self.turn(0.05)
        with self._shift.turn:
            while self._host.is_draining and any(self._let_in(descriptor) for descriptor in self._door):
                pass
            for descriptor in self._door:
                self._door.leave(descriptor)
            if self._host.has_siblings:
                self._siblings.take_over()
            self._clients.part(time.monotonic() + PARTING_S)
        while self._clients and time.monotonic() < self._watch.stops_by_s:
            self.turn(0.1)
        self._crew.refusals.say()

    def turn(self, wait_s: float = SWEEP_S) -> None:
        """Wait for what happens, for so long at most, and do what there is to do."""
        is_full = self._crew.working >= self._terms.threads
        self._door.open(self._crew.working + len(self._newcomers) < self._terms.threads)
        wait_s = min(wait_s, LOOK_S) if is_full else wait_s
        self.is_awake = False
        happened = self._poller.poll(0 if self._desk.held else NEWCOMER_S if self._newcomers else wait_s)
        self.is_awake = True
        self._watch.work()
        if not happened and self._door.is_open and self._door.is_awaited():
            # The one worker that the kernel told died before it could let them in.
            happened = [(descriptor, select.EPOLLIN) for descriptor in self._door]
        with self._shift.turn:
            # Who waits at the door first: the kernel has told no other worker of him; and who was passed on before.
            for descriptor, _ in sorted(happened, key=lambda one: self._door.rank(one[0])):
                if descriptor in self._door:
                    self._let_in(descriptor)
                else:
                    self._others.get(descriptor, _nothing)()
            self._desk.go_on_with_held()
            self._newcomers.forget()
            if is_full:
                with self._siblings.instead():
                    self._siblings.look_through()
            self._sweep(min(wait_s, SWEEP_S))
        self._watch.rest()

    def stand_in(self) -> float:
        """By the attendant: do what can be done while the serving thread is at a request. Seconds until the next call.

        Nothing is done for requests that are over soon.
        """
        wait_s = self._shift.stand_in()
        if wait_s:
            return wait_s
        try:
            with self._siblings.instead():
                self._serve_clients()
                self._desk.go_on_with_held()
                if self._shift.away_s() > LOOK_AFTER_S:
                    self._siblings.look_through()
                self._sweep(SWEEP_S)
        finally:
            self._shift.leave()
        return LOOK_S

    def be_stood_in_for(self, attendant: Loop) -> None:
        """Have that one wake up when a client of this one needs something while the serving thread is at a request."""
        poller, clients = attendant._poller, self._at_clients.fileno()
        attendant._others[clients] = _nothing
        poller.register(clients, select.EPOLLONESHOT)
        self._watch.is_wanted = lambda: attendant.is_awake
        self._shift.wake = attendant.wake
        self._shift.bell = lambda wanted: poller.modify(clients, select.EPOLLONESHOT | (select.EPOLLIN * wanted))

    def abandon(self) -> None:
        """By the attendant, before this process is ended: give others whoever can be given."""
        if self._shift.turn.acquire(blocking=False):
            self._siblings.take_over()
            self._shift.turn.release()

    def _serve_clients(self) -> None:
        for descriptor, events in self._at_clients.poll(0):
            if connection := self._clients[descriptor]:
                self._desk.move(connection, events)

    def _sweep(self, every_s: float) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_sweep_s:
            self._next_sweep_s = now_s + every_s
            self._desk.sweep(now_s)

    def _on_alarm(self) -> None:
        os.eventfd_read(self._alarm)
        self._desk.finish()

    def _let_in(self, descriptor: int) -> bool:
        """Let one in, and answer at once if the request is there. Whether there was anybody."""
        try:
            connection = self._door.let_in(descriptor)
        except NoDescriptorError:
            if not self._clients.give_up_one():
                time.sleep(0.01)
            return True
        if connection:
            self._deal_with(connection)
            self._newcomers.add(connection)
        return bool(connection)

    def _deal_with(self, connection: Connection) -> None:
        if len(self._clients) >= self._terms.connections:
            self._clients.give_up_one()
        self._clients.add(connection)
        self._desk.greet(connection)


def _nothing() -> None:
    """What was there is gone."""
