"""Who answers: the loop's own thread, or, where one process is to answer several at a time, threads beside it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from . import gateway
from .admission import timeout_s
from .connection import Connection
from .gateway import Answer
from .parser import Request
from .refusals import Refusals
from .shift import Shift
from .terms import Host
from .watch import LOOK, WAITED_S, Watch


class Crew:
    """See the module. `wake`: called in another thread once something has `finished`."""

    def __init__(self, host: Host, threads: int, watch: Watch, shift: Shift, wake: Callable[[], None]) -> None:
        self._host = host
        self.refusals = Refusals(host)
        """What is told to those who are not answered."""
        self._watch = watch
        self._shift = shift
        self._wake = wake
        self._pool = ThreadPoolExecutor(threads, "answering") if threads > 1 else None
        self._finished: deque[tuple[Connection, Request, Answer | Exception]] = deque()
        self.working = 0
        """Requests that the other threads have not finished."""

    def answer(self, connection: Connection, request: Request) -> Answer | Exception | None:
        """The answer, or what was raised instead; None: it will be among the `finished`."""
        connection.is_working = True
        self._prepare(connection, request)
        if not self._pool:
            # Here and now: to a pool of one thread and back it would be two wake-ups more for each request.
            self._shift.away()
            try:
                return self._ask(request)
            finally:
                self._shift.back()
        self.working += 1
        self._pool.submit(self._answer_elsewhere, connection, request)
        return None

    def answer_at_once(self, connection: Connection, request: Request) -> Answer | Exception:
        """In another thread than the one that answers, while that is at something: what takes no time."""
        self._prepare(connection, request)
        try:
            return self._ask(request)
        finally:
            self._watch.rest()

    def finished(self) -> Iterator[tuple[Connection, Request, Answer | Exception]]:
        """What the other threads have done since."""
        while self._finished:
            self.working -= 1
            yield self._finished.popleft()

    def _prepare(self, connection: Connection, request: Request) -> None:
        environ = request.environ
        own_s = timeout_s(environ) or math.inf
        environ[LOOK] = self._watch.look(connection.is_gone, own_s, environ[WAITED_S])

    def _ask(self, request: Request) -> Answer | Exception:
        self._watch.work()
        try:
            return gateway.ask(self._host.wsgi, request)
        except Exception as error:  # noqa: BLE001 - whatever it is, this client gets an answer and the worker lives
            return error
        finally:
            self._watch.work()

    def _answer_elsewhere(self, connection: Connection, request: Request) -> None:
        self._finished.append((connection, request, self._ask(request)))
        self._watch.rest()
        self._wake()
