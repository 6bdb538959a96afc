"""The process model: how many workers, threads, what happens at fork, boot and death.

gunicorn takes every global here whose name is one of its settings, so what is not one of them is underscored or
imported under another name. A command-line flag (-w, -b, …) overrides what stands here.

The order of a start: settings are read (a bad one ends it here), the model is found and verified, what all workers
need is imported, and only then the master listens and forks. The master loads no model. Each worker maps its own,
checks itself against the reference's vectors, says on the board that it is ready, and then accepts.
"""

from __future__ import annotations

import os as _os
import sys as _sys
import time as _time
from typing import Any as _Any

from app.fleet import threads as _arithmetic

_arithmetic.pin()

import msgspec as _msgspec  # noqa: E402
import structlog as _structlog  # noqa: E402
from gunicorn.errors import HaltServer as _HaltServer  # noqa: E402

import app as _app  # noqa: E402
from app import encoder as _encoder  # noqa: E402
from app import errors as _errors  # noqa: E402
from app import settings as _all_settings  # noqa: E402
from app.fleet import board as _board  # noqa: E402
from app.fleet import boot as _boot  # noqa: E402
from app.fleet import logs as _logs  # noqa: E402
from app.fleet import metrics as _metrics  # noqa: E402
from app.web.rehearsal import rehearse as _rehearse  # noqa: E402
from app.web.services import Services as _Services  # noqa: E402

_STARTED = _time.monotonic()
# A successor whose model is refused waits this long before it dies, so that its own successor does not come at once.
_RETRY_S = 5
_log = _structlog.get_logger("serve-bert")

_is_slip = False
try:
    _settings, _origins = _all_settings.load_with_origins()
except _errors.ConfigurationError as _error:
    if _boot.in_force is None:
        _sys.exit(f"serve-bert: {_error}")
    # This is a reload (HUP): the fleet that serves must not end over a slip in a file.
    _log.error("settings refused, the old ones stay", reason=str(_error))
    _settings, _origins = _boot.in_force
    _is_slip = True
_boot.in_force = (_settings, _origins)
_logs.configure(_settings)

bind = f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
workers = 1 if _settings.is_shared else _settings.workers
worker_class = "app.fleet.worker.Worker"
threads = _settings.threads if _settings.is_shared else 1
timeout = _settings.timeout_s
graceful_timeout = _settings.graceful_timeout_s
keepalive = 5
loglevel = _settings.log_level
logger_class = "app.fleet.logs.GunicornLogger"
logconfig_dict = _logs.gunicorn_config(_settings)
proc_name = "serve-bert"
# Its socket is one file for all instances of a user, and a second instance removes the first's.
control_socket_disable = True


def on_starting(server: _Any) -> None:
    """In the master, before it listens: verify the model, import what the workers share."""
    if server.cfg.preload_app:
        _sys.exit("serve-bert: --preload cannot be used: each worker makes its own application, after the fork")
    if _settings.is_shared and server.cfg.workers != 1:
        _sys.exit(f"serve-bert: BERT_STATE=shared is one process, but {server.cfg.workers} workers are asked for (-w)")
    try:
        _boot.make_metrics_folder(_settings.metrics_dir)
        server.plan = _encoder.verify_and_plan(_settings)
        _boot.import_shared(lambda: _prepare(server.plan))
    except (_errors.ConfigurationError, _errors.ModelRefusedError) as error:
        _sys.exit(f"serve-bert: {error}")
    server.board = _board.Board(server.cfg.workers, server.cfg.threads)
    server.replacements = 0
    _boot.log_facts(_facts(server))


def on_reload(server: _Any) -> None:
    """In the master, at a reload (HUP): verify the model again; the old one stays if the new one is refused."""
    if _settings.is_shared and server.cfg.workers != 1:
        server.cfg.set("workers", 1)
        server.num_workers = 1
    server.board.threads = server.cfg.threads
    wanted = [] if _is_slip else [_settings]
    if _is_slip or server.board.accepted:
        wanted.append(_as_replaced(server))
    if _plan_again(server, wanted) is _settings:
        server.board.forget_replacement()


def pre_fork(server: _Any, worker: _Any) -> None:
    """In the master: give the worker to come a slot, and the model that its predecessor had."""
    if server.board.accepted and server.board.replacements != server.replacements:
        _plan_again(server, [_as_replaced(server)])
    worker.slot = _board.lowest_free({other.slot for other in server.WORKERS.values()})


def post_fork(server: _Any, worker: _Any) -> None:
    """In the worker, first of all: take the slot's row of the board and its metric files."""
    worker.notify()  # starts the clock of `timeout`, which gunicorn otherwise starts once the worker runs
    _board.join(server.board, worker.slot)
    _metrics.write_files_of_slot(worker.slot)
    worker.plan = server.plan


def post_worker_init(worker: _Any) -> None:
    """In the worker, before it accepts: map the model, check it, say that it is ready."""
    began = _time.monotonic()
    worker.metrics = worker.wsgi.extensions[_Services.NAME].metrics
    try:
        _app.load_model(worker.wsgi, worker.plan)
    except _errors.ModelRefusedError as error:
        _log.error("model refused", slot=worker.slot, reason=str(error))
        _refuse()
    except Exception as error:  # noqa: BLE001 - out of memory, out of descriptors, a defect: the others serve on
        _log.error("worker cannot load", slot=worker.slot, reason=repr(error), frames=_logs.frames(error))
        _refuse()
    _log.info("worker ready", slot=worker.slot, pid=worker.pid, load_s=round(_time.monotonic() - began, 3))
    board = _board.own_readiness().board
    if board.ready_count() >= board.workers:
        _log.info("all workers ready", workers=board.workers, since_start_s=round(_time.monotonic() - _STARTED, 2))


def worker_exit(_server: _Any, worker: _Any) -> None:
    """In the worker, last of all: end at once, with the exit code under way.

    Python's own teardown would free every object that was inherited, and so copy its page: with torch imported, ten
    idle workers took 2.5 s to stop. gunicorn also calls this in the master, for a worker that is gone already.
    """
    if _os.getpid() == worker.pid:
        error = _sys.exc_info()[1]
        code = error.code if isinstance(error, SystemExit) else 1
        _sys.stderr.flush()
        _os._exit(code if isinstance(code, int) else 0)


def child_exit(server: _Any, worker: _Any) -> None:
    """In the master, after a worker's death: its slot is free. If no worker could ever serve this model, stop."""
    refused = server.board.state(worker.slot) is _board.State.REFUSED
    server.board.clear(worker.slot)
    if refused and not server.board.was_ready and not getattr(server, "is_halting", False):
        server.is_halting = True  # the others' deaths are reaped while the server halts, and must not halt it again
        raise _HaltServer("no worker can serve this model", server.WORKER_BOOT_ERROR)


def nworkers_changed(server: _Any, new_value: int, _old_value: int | None) -> None:
    """In the master: the fleet is to have another number of workers (HUP, TTIN, TTOU)."""
    if not hasattr(server, "board"):
        return
    if _settings.is_shared and new_value > 1:
        _log.warning("BERT_STATE=shared is one process, and stays one", asked_for=new_value)
        server.num_workers = 1
        return
    server.board.workers = new_value


def _refuse() -> None:
    """Not with gunicorn's own exit code for a failed boot: its master would stop the healthy workers too."""
    readiness = _board.own_readiness()
    readiness.refuse()
    if readiness.board.was_ready:
        _time.sleep(_RETRY_S)
    _sys.exit(1)


def _as_replaced(server: _Any) -> _all_settings.Settings:
    """The settings in force, but for the model: that by which a worker replaced its own, if one did."""
    return _msgspec.structs.replace(_settings, **_msgspec.json.decode(server.board.accepted or b"{}"))


def _plan_again(server: _Any, wanted: list[_all_settings.Settings]) -> _all_settings.Settings | None:
    """Verify and plan the first model that is not refused; if all are, the old plan stays. Which it was."""
    for settings in wanted:
        try:
            plan = _encoder.verify_and_plan(settings)
            _prepare(plan)
        except (_errors.ModelRefusedError, _errors.ConfigurationError) as error:
            _log.error("model refused, the old one stays", reason=str(error))
        except Exception as error:  # noqa: BLE001 - no memory, a full disk, a defect: the master must live
            _log.error("model cannot be planned, the old one stays", reason=repr(error), frames=_logs.frames(error))
        else:
            server.plan, server.replacements = plan, server.board.replacements
            return settings
    _log.error("successors get the model of the last plan", fingerprint=server.plan.model.fingerprint)
    _boot.assembled = _app.assemble(_settings)
    return None


def _prepare(plan: _encoder.Plan) -> None:
    """What workers are to inherit. torch must not compute before a fork, so its engine is not rehearsed."""
    _encoder.import_engine(plan)
    _boot.assembled = _app.assemble(_settings)
    if plan.native:
        _rehearse(_boot.assembled, _settings, _encoder.open_encoder(plan))


def _facts(server: _Any) -> dict[str, _Any]:
    return {
        **server.plan.facts(),
        "workers": server.cfg.workers,
        "threads_per_worker": server.cfg.threads,
        **_boot.machine_facts(),
        "settings": _boot.changed_settings(_origins) or "all default",
    }
