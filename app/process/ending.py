"""The end of a fleet: told first, then nobody new, then what is in; and at once, if it is asked for twice."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import structlog
from gunicorn.arbiter import Arbiter as Stock

from ..fleet.drain import Drain
from . import births, notices, reload, sockets
from .handover import LEAVES

STOPS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
QUICK_S = 2.0
# A client that the kernel has greeted may take so long to send its request, which only then is let in.
QUIET_S = 0.05
log = structlog.get_logger("serve-bert")


class Quiet:
    """Whether nobody has waited for QUIET_S."""

    def __init__(self) -> None:
        self._since_s = time.monotonic()

    def is_long(self, waiting: int) -> bool:
        """`waiting`: how many do now."""
        now_s = time.monotonic()
        if waiting:
            self._since_s = now_s
        return now_s >= self._since_s + QUIET_S


def begin(arbiter: Any, delay_s: float) -> None:
    """Say that nobody is ready, and answer on. Raises StopIteration where another fleet serves the same socket.

    Asked for a second time, it is over at once.
    """
    if arbiter.drain:
        stop(arbiter, graceful=False)
        raise StopIteration
    reload.overtake(arbiter)
    if _another_serves(arbiter):
        arbiter.board.is_handed_over = True
        raise StopIteration
    notices.stopping(arbiter)
    if arbiter.handover:
        arbiter.handover.say(LEAVES)
    arbiter.board.is_draining = True
    arbiter.drain = Drain.begun(time.monotonic(), delay_s, arbiter.cfg.graceful_timeout)


def waiting(arbiter: Any) -> int:
    """Connections that nobody has accepted yet and nobody else will."""
    return 0 if _is_shared(arbiter) else sum(max(0, listener.get_backlog()) for listener in arbiter.LISTENERS)


def stop(arbiter: Any, *, graceful: bool) -> None:
    """Tell the workers, close, and wait until all are gone: at most the grace time, or QUICK_S."""
    arbiter.is_halting = True
    reload.overtake(arbiter)
    if arbiter.reexec_pid and _another_serves(arbiter):
        notices.succeeded(arbiter, arbiter.reexec_pid)
    if arbiter.handover:
        arbiter.handover.say(LEAVES)
    is_alone = not _is_shared(arbiter) and not arbiter.systemd and not arbiter.cfg.reuse_port
    _tell_all(arbiter, graceful=graceful)
    if is_alone and graceful:
        sockets.let_nobody_new(arbiter.LISTENERS)
        quiet = Quiet()
        _await(arbiter, lambda: quiet.is_long(waiting(arbiter)), 0.5)  # workers take who still came
        sockets.refuse(arbiter.LISTENERS)
    sockets.close(arbiter.LISTENERS, and_unlink=is_alone)
    arbiter.LISTENERS = []
    if not _await(arbiter, lambda: not arbiter.WORKERS, arbiter.cfg.graceful_timeout if graceful else QUICK_S):
        arbiter.kill_workers(signal.SIGKILL)
        _await(arbiter, lambda: not arbiter.WORKERS, QUICK_S)


def _another_serves(arbiter: Any) -> bool:
    """Whether another master's fleet answers on the same socket: a successor that is ready, or a predecessor."""
    return bool(arbiter.handover and arbiter.handover.other_serves())


def _is_shared(arbiter: Any) -> bool:
    """Whether the sockets are another master's too: a successor's, which may still be starting, or a predecessor's."""
    return bool(arbiter.reexec_pid) or _another_serves(arbiter)


def _tell_all(arbiter: Any, *, graceful: bool) -> None:
    for worker in list(arbiter.WORKERS.values()):
        if graceful:
            births.ask_to_stop(arbiter, worker)
        else:
            arbiter.kill_worker(worker.pid, signal.SIGQUIT)


def _await(arbiter: Any, is_met: Callable[[], bool], at_most_s: float) -> bool:
    """Wait, now that nothing else is to be done; another signal to stop shortens it."""
    until_s = time.monotonic() + at_most_s
    while not is_met():
        if time.monotonic() > until_s:
            return False
        if STOPS & set(Stock.wait_for_signals(arbiter, 0.01)):
            log.warning("stopping at once")
            arbiter.kill_workers(signal.SIGQUIT)
            until_s = min(until_s, time.monotonic() + QUICK_S)
        arbiter.reap_workers()
    return True
