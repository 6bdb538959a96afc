"""Since when each serving thread is at its present work: what the attendant's heartbeat, and a long request, go by."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from threading import get_ident

from ..request_errors import ClientGoneError, DeadlineError, NotReadyError, OverdueError

# A request's callable for whoever computes, between two steps. It raises what ends the request.
LOOK = "serve-bert.look"
WAITED_S = "serve-bert.waited_s"
"""How long a request has waited, since its last bytes came."""
# How often the kernel is asked whether a client has gone. Each question lets go of the interpreter and takes it back at
# once: asked after every text of a thousand, it would begin anew the 5 ms after which another thread, which waits for
# the interpreter to answer a probe, may demand it, so that it would have it only once all texts are tokenized.
ASKED_EVERY_S = 0.025
# How long a request waits for the attendant, and then goes on: it takes a few milliseconds, a step at a time, and would
# have to demand the interpreter anew after each.
GIVEN_S, STEP_S = 0.005, 0.0005
# Of a limit: what a request may take for itself, so that it can still say why it ends before it is ended.
SHARE = 0.9


class Watch:
    """See the module. `timeout_s`: after which a request is overdue; 0: never."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.stops_by_s = math.inf
        """When a stopping worker gives up what is not done, by the monotonic clock."""
        self._since_s: dict[int, float] = {}
        self.is_wanted: Callable[[], bool] = bool
        """Whether another thread is at something that is quickly done, and wants the interpreter."""
        self._given_s = 0.0

    def work(self) -> None:
        """This thread begins something."""
        self._since_s[get_ident()] = time.monotonic()

    def rest(self) -> None:
        """This thread waits."""
        self._since_s.pop(get_ident(), None)

    def last_free_s(self) -> float:
        """When all serving threads were last seen to be about to begin something: now, if none is at anything."""
        return min(list(self._since_s.values()), default=time.monotonic())

    def at_work(self) -> list[int]:
        """The threads that are at something, longest first."""
        return sorted(self._since_s, key=lambda thread: self._since_s.get(thread, math.inf))

    def look(self, is_gone: Callable[[], bool], own_s: float = math.inf, waited_s: float = 0.0) -> Callable[[], None]:
        """A look up for a request that begins now, has waited already, and may set itself a time to be over.

        It raises ClientGoneError, DeadlineError, OverdueError, NotReadyError.
        """
        began_s = asked_s = time.monotonic()
        own_end_s = began_s + own_s - waited_s
        overdue_s = began_s + SHARE * self.timeout_s if self.timeout_s else math.inf

        def look() -> None:
            nonlocal asked_s
            now_s = time.monotonic()
            if self.is_wanted():
                self._give_way(now_s)
            if now_s > asked_s + ASKED_EVERY_S:
                asked_s = now_s
                if is_gone():
                    raise ClientGoneError
            if now_s > own_end_s:
                raise DeadlineError(own_s)
            if now_s > overdue_s:
                raise OverdueError(now_s - began_s)
            if now_s > self.stops_by_s:
                raise NotReadyError("this worker is stopping, and its time to finish is over")

        return look

    def _give_way(self, now_s: float) -> None:
        """Let the other thread go on for a while, half of the time at most."""
        if now_s < self._given_s + GIVEN_S:
            return
        while self.is_wanted() and time.monotonic() < now_s + GIVEN_S:
            time.sleep(STEP_S)
        self._given_s = time.monotonic()
