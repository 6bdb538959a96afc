"""A worker's birth and burial, as the master does them: what fails is told, counted and followed by a pause."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import structlog
from gunicorn import util
from gunicorn.errors import HaltServer

from ..fleet.board import State
from ..fleet.metrics.register import Reason
from . import forking
from .forking import how

NOT_READY = {State.ABSENT, State.LOADING, State.REFUSED}
log = structlog.get_logger("serve-bert")


def bear(arbiter: Any) -> int:
    """Fork a worker; 0 if there can be none now. Raises HaltServer if none was ever ready."""
    arbiter.worker_age += 1
    worker = None
    try:
        worker = arbiter.worker_class(
            arbiter.worker_age,
            arbiter.pid,
            arbiter.LISTENERS,
            arbiter.app,
            arbiter.timeout / 2.0,
            arbiter.cfg,
            arbiter.log,
        )
        worker.is_told = False
        arbiter.cfg.pre_fork(arbiter, worker)
        pid = forking.fork(lambda: _live(arbiter, worker), lambda error: _could_not_serve(worker, error))
    except Exception as error:  # noqa: BLE001 - no process, no descriptor, a defect: the others serve on
        if worker:
            worker.tmp.close()
        log.error("worker not born", **forking.error_facts(error))
        _failed(arbiter, arbiter.worker_age, Reason.UNBORN)
        return 0
    worker.pid = pid
    arbiter.WORKERS[pid] = worker
    return pid


def bury(arbiter: Any, worker: Any, status: int) -> None:
    """A worker has died, of which wait(2) says `status`. Raises HaltServer if none was ever ready."""
    state, lost = arbiter.board.state(worker.slot), _lost(arbiter, worker.slot)
    worker.tmp.close()
    arbiter.cfg.child_exit(arbiter, worker)
    if worker.is_told or arbiter.is_halting:
        say = log.warning if lost else log.info
        say("worker stopped", slot=worker.slot, worker_pid=worker.pid, **how(status), **lost)
        return
    reason = _reason(arbiter, worker, state, status)
    say = log.info if reason is Reason.RECYCLED else log.error
    say("worker lost", slot=worker.slot, worker_pid=worker.pid, reason=reason.value, **how(status), **lost)
    if state in NOT_READY:
        _failed(arbiter, worker.age, reason)
    else:
        arbiter.metrics.restarts.labels(reason.value).inc()


def _lost(arbiter: Any, slot: int) -> dict[str, Any]:
    """Count the requests that a dead worker has not answered; how many, and what the latest of them is called."""
    count = arbiter.board.traffic.work_of(slot)
    if not count:
        return {}
    arbiter.metrics.lost.inc(count)
    latest = arbiter.board.latest(slot).decode().split(" ", 2)
    return {"requests_lost": count, **dict(zip(("request_id", "client", "path"), latest, strict=False))}


def ask_to_stop(arbiter: Any, worker: Any) -> None:
    """Have a worker stop; on the board it reads that this is not somebody else's TERM."""
    worker.is_told = True
    arbiter.board.write(worker.slot, worker.pid, State.STOPPING)
    arbiter.kill_worker(worker.pid, signal.SIGTERM)


def _failed(arbiter: Any, age: int, reason: Reason) -> None:
    arbiter.metrics.restarts.labels(reason.value).inc()
    arbiter.succession.pause.failed(age, time.monotonic())
    if not arbiter.board.was_ready and not arbiter.is_halting:
        raise HaltServer(f"no worker can serve: {reason.value}", arbiter.WORKER_BOOT_ERROR)


def _reason(arbiter: Any, worker: Any, state: State, status: int) -> Reason:
    if worker.aborted:
        return Reason.TIMEOUT
    if os.WIFSIGNALED(status):
        return Reason.SIGNAL
    if state is State.REFUSED:
        return Reason.REFUSED
    if state in NOT_READY:
        return Reason.FAILED
    is_over = arbiter.cfg.max_requests and os.WEXITSTATUS(status) == 0
    return Reason.RECYCLED if is_over else Reason.EXIT


def _live(arbiter: Any, worker: Any) -> None:
    """In the child."""
    worker.pid = os.getpid()
    for sibling in arbiter.WORKERS.values():
        sibling.tmp.close()
    util._setproctitle(f"worker [{arbiter.proc_name}]")
    arbiter.cfg.post_fork(arbiter, worker)
    worker.init_process()


def _could_not_serve(worker: Any, error: BaseException) -> None:
    log.error("worker failed", slot=worker.slot, **forking.error_facts(error))
