"""A worker's life: after its fork, once it has its application, at its end."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Never

import structlog

from .. import load_model
from ..errors import ModelRefusedError
from ..fleet import board, boot, logs, metrics
from ..web.services import Services

# A successor whose model is refused waits this long before it dies, so that its own successor does not come at once.
RETRY_S = 5
log = structlog.get_logger("serve-bert")


def hooks() -> dict[str, Any]:
    """By gunicorn's names."""
    return {"post_fork": post_fork, "post_worker_init": post_worker_init, "worker_exit": worker_exit}


def post_fork(server: Any, worker: Any) -> None:
    """First of all: take the slot's row of the board and its metrics."""
    worker.notify()  # starts the clock of `timeout`, which gunicorn otherwise starts once the worker runs
    board.join(server.board, worker.slot)
    metrics.join(server.store, worker.slot)
    worker.plan = server.plan


def post_worker_init(worker: Any) -> None:
    """Before it accepts: map the model, check it, say that it is ready."""
    began = time.monotonic()
    worker.metrics = worker.wsgi.extensions[Services.NAME].metrics
    try:
        load_model(worker.wsgi, worker.plan)
    except ModelRefusedError as error:
        log.error("model refused", slot=worker.slot, reason=str(error))
        _refuse()
    except Exception as error:  # noqa: BLE001 - out of memory, out of descriptors, a defect: the others serve on
        log.error("worker cannot load", slot=worker.slot, reason=repr(error), frames=logs.frames(error))
        _refuse()
    log.info("worker ready", slot=worker.slot, pid=worker.pid, load_s=round(time.monotonic() - began, 3))
    shared = board.own_readiness().board
    if shared.ready_count() >= shared.workers:
        log.info("all workers ready", workers=shared.workers, since_start_s=round(time.monotonic() - boot.started, 2))


def worker_exit(_server: Any, worker: Any) -> None:
    """Last of all: end at once, with the exit code under way.

    Python's own teardown would free every object that was inherited, and so copy its page: with torch imported, ten
    idle workers took 2.5 s to stop. gunicorn also calls this in the master, for a worker that is gone already.
    """
    if os.getpid() == worker.pid:
        error = sys.exc_info()[1]
        code = error.code if isinstance(error, SystemExit) else 1
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0)


def _refuse() -> Never:
    """Not with gunicorn's own exit code for a failed boot: its master would stop the healthy workers too."""
    readiness = board.own_readiness()
    readiness.refuse()
    if readiness.board.was_ready:
        time.sleep(RETRY_S)
    sys.exit(1)
