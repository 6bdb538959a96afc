"""gunicorn's worker, ours: a thread that serves, and the main one, the attendant, that hears and tells of it.

All that is taken of gunicorn for a worker stands here, and in proxied.py; tests/unit/test_fleet.py holds it to the
version that it was written for.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from threading import Thread
from typing import Any

import structlog
from gunicorn.workers.base import Worker as Stock

from ..fleet.board import State, own_readiness
from ..fleet.heartbeat import Heartbeat
from ..fleet.logs import flush, frames
from ..fleet.memory import tell_own
from ..fleet.metrics.register import Metrics
from ..fleet.traffic import Pace
from ..request_errors import RequestError
from .loop import Loop
from .passing_on import Handing
from .terms import Terms
from .watch import SHARE, Watch

HEARTBEAT_S = 1.0
# The kernel hands over a connection that has sent something, and after about seven seconds one that has not.
DEFER_ACCEPT_S = 5
log = structlog.get_logger("serve-bert")


class Worker(Stock):  # type: ignore[misc]
    """See the module. Who forks it sets what is annotated here, before `run`."""

    metrics: Metrics | None = None
    terms: Terms
    handing: Handing
    is_for_admin: Callable[[Any], bool]
    """Whether one of `sockets` is the attendant's."""
    tell: Callable[[str, RequestError, str], bytes]
    """See `Host`."""
    allow: Callable[[str], Iterable[tuple[str, str]]]
    """See `Host`."""
    routes: frozenset[str]
    """See `Host`."""
    at_end: Callable[[], object] | None = None
    """Called once nothing is served any more."""
    alive: bool
    tmp: Heartbeat

    asked_s = math.inf
    """When somebody, but not the master, told this worker to stop."""
    failed = False
    is_over = False
    """Whether the serving thread has ended."""
    ends_by_s = math.inf
    watch: Watch | None = None
    loop: Loop | None = None
    pace: Pace

    @property
    def is_serving(self) -> bool:
        """See `Host`."""
        return self.alive

    @property
    def is_draining(self) -> bool:
        """See `Host`."""
        return bool(own_readiness().board.is_draining)

    @property
    def has_siblings(self) -> bool:
        """See `Host`."""
        board = own_readiness().board
        return not (board.is_draining or board.is_handed_over) and board.ready_count() > 0

    def queue_depth(self) -> int:
        """Connections that no worker has taken yet: in the kernel's queue, and passed on to whoever is free."""
        waiting: int = sum(max(0, each.get_backlog()) for each in self.sockets if not self.is_for_admin(each))
        return waiting + own_readiness().board.traffic.passed_on()

    def count_request(self) -> None:
        """One more is answered; with `max_requests` the worker makes room for a fresh one in time."""
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            log.info("worker recycled", requests=self.nr)
            self.stop()

    def init_process(self) -> None:
        """Ask the kernel to keep connections back until they have sent something."""
        for listener in self.sockets:
            if hasattr(socket, "TCP_DEFER_ACCEPT") and listener.sock.family in (socket.AF_INET, socket.AF_INET6):
                listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_ACCEPT_S)
        super().init_process()

    def run(self) -> None:
        """Serve in a second thread; in this one, hear signals, tell how long the other is at what, answer probes.

        A thread of its own also has memory of its own: else what requests allocate is cut from what was inherited, and
        copies its pages (2 MB a worker).
        """
        watch = self.watch = Watch(self.cfg.timeout)
        self.pace = Pace(own_readiness().board.traffic)
        self.terms.admission.find_retry_after_s = lambda: self.pace.retry_after_s(self.queue_depth(), time.monotonic())
        terms = replace(self.terms, traffic=own_readiness().traffic)
        public, admin = self._listeners()
        self.loop = Loop(self, public, terms, watch, self.handing)
        attendant = Loop(self, admin, terms.of_attendant(), watch)
        attendant.call(self.PIPE[0], self._hear)
        self.loop.be_stood_in_for(attendant)
        Thread(target=self._serve, args=(self.loop,), name="serving", daemon=True).start()
        wait_s = HEARTBEAT_S
        while not self.is_over and time.monotonic() < self.ends_by_s:
            self._tell(watch.last_free_s())
            attendant.turn(min(HEARTBEAT_S, wait_s))
            wait_s = self.loop.stand_in()
        if self.at_end:
            self.at_end()
        if self.failed:
            sys.exit(1)

    def _serve(self, loop: Loop) -> None:
        try:
            loop.run()
        except Exception as error:  # noqa: BLE001
            log.error("the serving thread failed", error_class=type(error).__name__, frames=frames(error))
            self.failed = True
        finally:
            self.is_over = True
            os.write(self.PIPE[1], b".")

    def _hear(self) -> None:
        """A signal, which Python has handled by now, or the end of the serving thread."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.PIPE[0], 4096)

    def _tell(self, last_free_s: float) -> None:
        """Once a second at least: that we live, unless a request is at it for too long; what befell us meanwhile."""
        self.tmp.seen(last_free_s)
        self.pace.look(time.monotonic())
        flush()
        tell_own(own_readiness().board, own_readiness().slot)
        if time.monotonic() >= self.asked_s + HEARTBEAT_S:
            self.asked_s = math.inf
            if not self.is_draining:
                self.stop()  # the master does not end, so it was meant for this worker alone
        if self.alive and not self._has_parent():
            log.warning("the master is gone, so this worker ends")
            self.stop()

    def _has_parent(self) -> bool:
        return bool(self.ppid == os.getppid())

    def init_signals(self) -> None:
        """Leave Ctrl-C, which reaches the whole group, to the master: it tells us once what is in may end."""
        super().init_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Told to stop. Who tells the whole group (systemd does) means the master, which tells us in its time."""
        del sig, frame
        if own_readiness().state is State.STOPPING or not self._has_parent():
            self.stop()
        else:
            self.asked_s = time.monotonic()

    def handle_quit(self, sig: int, frame: Any) -> None:
        """End at once."""
        del sig, frame
        sys.exit(0)

    def handle_abort(self, sig: int, frame: Any) -> None:
        """The master has not heard of us in time: say where each thread is, and end."""
        del sig, frame
        running = sys._current_frames()
        for thread in self.watch.at_work() if self.watch else ():
            where = traceback.extract_stack(running.get(thread))[-12:]
            log.error("a request hangs", frames=[f"{each.filename}:{each.lineno} {each.name}" for each in where])
        if self.loop:
            self.loop.abandon()
        flush()
        os._exit(1)

    def stop(self) -> None:
        """Not ready first; then the loop ends once all that is in is answered, or its time is over."""
        own_readiness().stop()
        self.alive = False
        if self.loop and self.watch:
            now_s, grace_s = time.monotonic(), self.cfg.graceful_timeout
            self.watch.stops_by_s = min(self.watch.stops_by_s, now_s + SHARE * grace_s)
            self.ends_by_s = min(self.ends_by_s, now_s + grace_s)
            self.loop.wake()

    def _listeners(self) -> tuple[list[socket.socket], list[socket.socket]]:
        """Those for everybody, and those that the attendant serves."""
        admin = [listener.sock for listener in self.sockets if self.is_for_admin(listener)]
        return [listener.sock for listener in self.sockets if listener.sock not in admin], admin
