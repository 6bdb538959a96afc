"""A worker's life: after its fork, and once it has its application."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from threading import Thread
from typing import Any

import structlog

from .. import load_model, web
from ..errors import ModelRefusedError
from ..fleet import board, logs
from ..fleet.metrics import rows
from ..web import cors, failures
from ..web.services import Services
from . import second_address
from .terms import terms_of

# Of who is turned away, beside what every answer has.
TOLD = ("X-Request-Id", "X-Queue-Time", "Retry-After")
log = structlog.get_logger("serve-bert")


def hooks() -> dict[str, Any]:
    """By gunicorn's names."""
    return {"post_fork": post_fork, "post_worker_init": post_worker_init}


def post_fork(server: Any, worker: Any) -> None:
    """First of all: take the slot's row of the board and its metrics."""
    worker.notify()  # starts the clock of `timeout`, which gunicorn otherwise starts once the worker runs
    board.join(server.board, worker.slot)
    rows.join(server.store, worker.slot)
    worker.plan = server.plan
    worker.handing = server.handing
    worker.handing.traffic = server.board.traffic.row(worker.slot)


def post_worker_init(worker: Any) -> None:
    """Before it accepts: map the model, check it, say that it is ready."""
    began = time.monotonic()
    web.join_worker(worker.wsgi)
    services = worker.wsgi.extensions[Services.NAME]
    worker.metrics = services.metrics
    worker.terms = terms_of(worker.cfg, services.settings, worker.wsgi)
    worker.is_for_admin = lambda listener: second_address.is_at(listener, services.settings.admin_bind)
    worker.tell, worker.routes = failures.told, worker.wsgi.paths
    worker.allow = lambda origin: cors.allowing(services.settings, origin, TOLD)
    services.queue_depth = worker.queue_depth
    logs.count_dropped(worker.metrics.log_lines_dropped.inc)
    try:
        _apart(lambda: load_model(worker.wsgi, worker.plan))
    except ModelRefusedError as error:
        log.error("model refused", slot=worker.slot, reason=str(error))
        board.own_readiness().refuse()
        sys.exit(1)
    if services.spans:
        worker.at_end = services.spans.close
    log.info("worker ready", slot=worker.slot, load_s=round(time.monotonic() - began, 3))


def _apart(load: Callable[[], None]) -> None:
    """Do it in a thread, and raise what it raises.

    What it allocates is then cut from memory that the serving thread will take over, not from what was inherited, whose
    pages would be copied: 0.5 MB a worker.
    """
    errors: list[Exception] = []

    def attempt() -> None:
        try:
            load()
        except Exception as error:  # noqa: BLE001 - raised again where it belongs
            errors.append(error)

    thread = Thread(target=attempt, name="loading", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
