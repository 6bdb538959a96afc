"""What is done for a client when its bytes come or can go: parse, answer, send, keep or close."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Any

import structlog

from ..fleet.logs import frames
from ..fleet.traffic import ANSWERED, AT_WORK
from .arrival import Arrival
from .clients import Clients
from .connection import Connection
from .crew import Crew
from .door import Door
from .gateway import Answer, Printer
from .parser import Request
from .terms import Host, Terms
from .watch import WAITED_S

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
log = structlog.get_logger("serve-bert")


class Desk:
    """See the module. `crew`: who answers; `door`: where others may wait."""

    def __init__(self, host: Host, terms: Terms, clients: Clients, crew: Crew, door: Door) -> None:
        self._host = host
        self._terms = terms
        self._clients = clients
        self._crew = crew
        self._door = door
        self._refusals = crew.refusals
        self._printer = Printer()
        self.pass_on: Callable[[Connection], bool] | None = None
        """Set while nobody can answer here: gives a connection whose request is whole to another worker."""
        self.held: list[Connection] = []
        """Whose request is whole, but could not be passed on."""

    def greet(self, connection: Connection) -> None:
        """It is new here, and what it has sent first may have been read."""
        if connection.parser.requests:
            self._do_for(connection, self.go_on)
        else:
            self.move(connection, select.EPOLLIN)

    def move(self, connection: Connection, events: int) -> None:
        """Bytes can be sent, or have come."""
        self._do_for(connection, self._move, events)

    def finish(self) -> None:
        """Send what other threads have answered."""
        for connection, request, answer in self._crew.finished():
            self._do_for(connection, self._finish, request, answer)

    def sweep(self, now_s: float) -> None:
        """Give up who has had his time, and tell him so if he has sent a part of a request; log who was turned away."""
        for connection in self._clients.overdue(now_s):
            self._do_for(connection, self.go_on)
        self._clients.relieve()
        self._refusals.say()

    def go_on_with_held(self) -> None:
        """There is somebody to answer here again."""
        held, self.held = self.held, []
        for connection in held:
            if self._clients.has(connection):
                self._do_for(connection, self.go_on)

    def go_on(self, connection: Connection) -> None:
        """Whatever can be done now for this client; then wait for what it needs."""
        parser = connection.parser
        while not (connection.is_closing or connection.unsent or connection.is_working):
            if parser.requests:
                if self._turns_away(connection, parser.requests[0]):
                    parser.requests.clear()
                elif self.pass_on and not self._terms.admission.is_exempt(parser.requests[0].environ):
                    self._pass_on(connection, self.pass_on)
                    return
                else:
                    self._answer(connection, parser.requests.popleft())
            elif parser.refusal:
                connection.send(self._refusals.refuse(parser.refusal, parser.path, parser.client[0]))
                connection.is_closing = True
            else:
                break
        if parser.wants_continue and not connection.is_closing:
            parser.wants_continue = False
            connection.send(CONTINUE)
        self._clients.settle(connection)

    def _is_there(self, connection: Connection, events: int) -> bool:
        if events & select.EPOLLOUT:
            return connection.send_rest()
        if connection.is_closing:
            return connection.drop()
        self._clients.wake(connection)
        return connection.receive()

    def _pass_on(self, connection: Connection, give: Callable[[Connection], bool]) -> None:
        if len(connection.parser.requests) == 1 and give(connection):
            self._clients.close(connection)
        else:
            self._clients.rest(connection)
            self.held.append(connection)

    def _turns_away(self, connection: Connection, request: Request) -> bool:
        """Whether nobody waits for its answer any more, or it comes too late for one."""
        waited_s, is_over = Arrival.of(connection.sock)
        request.environ[WAITED_S] = waited_s
        if is_over:
            self._refusals.pass_over(request.environ, waited_s)
        elif refusal := self._terms.admission.refusal(request.environ, waited_s):
            client = request.environ["REMOTE_ADDR"]
            connection.send(self._refusals.turn_away(refusal, request.environ, waited_s, client))
        else:
            return False
        connection.is_closing = True
        return True

    def _answer(self, connection: Connection, request: Request) -> None:
        connection.forget_raw()
        if not self._terms.admission.is_exempt(request.environ):
            self._terms.traffic[AT_WORK] += 1
        ask = self._crew.answer_at_once if self.pass_on else self._crew.answer
        answer = ask(connection, request)
        if answer:
            self._send(connection, request, answer)

    def _send(self, connection: Connection, request: Request, answer: Answer | Exception) -> None:
        connection.is_working = False
        if not self._terms.admission.is_exempt(request.environ):
            self._terms.traffic[AT_WORK] -= 1
            self._terms.traffic[ANSWERED] += 1
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

    def _move(self, connection: Connection, events: int) -> None:
        if connection.is_working:
            self._clients.settle(connection)
        elif self._is_there(connection, events) or connection.parser.refusal:
            self.go_on(connection)
        else:
            self._clients.close(connection)

    def _finish(self, connection: Connection, request: Request, answer: Answer | Exception) -> None:
        self._send(connection, request, answer)
        self.go_on(connection)

    def _do_for(self, connection: Connection, step: Callable[..., None], *more: Any) -> None:
        """Whatever goes wrong with one client is no other's."""
        try:
            step(connection, *more)
        except Exception as error:  # noqa: BLE001
            log.error("unforeseen", error_class=type(error).__name__, frames=frames(error))
            self._clients.close(connection)
