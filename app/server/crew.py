"""Who answers: the loop's own thread, or, where one process is to answer several at a time, threads beside it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from . import gateway
from .connection import Connection
from .gateway import Answer
from .parser import Request
from .shift import Shift
from .terms import Host
from .watch import LOOK, WAITED_S, Watch


class Crew:
    """See the module. `wake`: called in another thread once something has `finished`."""

    def __init__(self, host: Host, threads: int, watch: Watch, shift: Shift, wake: Callable[[], None]) -> None:
        self._host = host
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
        request.environ[LOOK] = self._watch.look(connection.is_gone)
        if not self._pool:
            # Here and now: to a pool of one thread and back it would be two wake-ups more for each request.
            self._shift.away()
            try:
                return self._ask(connection, request)
            finally:
                self._shift.back()
        self.working += 1
        self._pool.submit(self._answer_elsewhere, connection, request)
        return None

    def finished(self) -> Iterator[tuple[Connection, Request, Answer | Exception]]:
        """What the other threads have done since."""
        while self._finished:
            self.working -= 1
            yield self._finished.popleft()

    def _ask(self, connection: Connection, request: Request) -> Answer | Exception:
        self._watch.work()
        request.environ[WAITED_S] = connection.waited_s()
        try:
            return gateway.ask(self._host.wsgi, request)
        except Exception as error:  # noqa: BLE001 - whatever it is, this client gets an answer and the worker lives
            return error
        finally:
            self._watch.work()

    def _answer_elsewhere(self, connection: Connection, request: Request) -> None:
        self._finished.append((connection, request, self._ask(connection, request)))
        self._watch.rest()
        self._wake()
