"""What the master does: at its start, at a reload, before a fork, after a worker's death."""

from __future__ import annotations

import sys
import time
from typing import Any

import msgspec
import structlog
from gunicorn.errors import HaltServer

from .. import assemble, encoder
from ..encoder import Plan
from ..errors import ConfigurationError, ModelRefusedError
from ..fleet import board, boot, cores, logs, metrics
from ..fleet.series import Store
from ..settings import Origin, Settings
from ..web.rehearsal import rehearse

log = structlog.get_logger("serve-bert")


class Master:
    """gunicorn's hooks in the master, under one reading of the settings: a reload makes another."""

    def __init__(self, settings: Settings, origins: list[Origin], *, is_slip: bool) -> None:
        """`is_slip`: these are the old settings, for the new ones were refused."""
        self._settings = settings
        self._origins = origins
        self._is_slip = is_slip

    def hooks(self) -> dict[str, Any]:
        """By gunicorn's names."""
        names = ("on_starting", "on_reload", "pre_fork", "child_exit", "nworkers_changed")
        return {name: getattr(self, name) for name in names}

    def on_starting(self, server: Any) -> None:
        """Before it listens: verify the model, import what the workers share."""
        if server.cfg.preload_app:
            sys.exit("serve-bert: --preload cannot be used: each worker makes its own application, after the fork")
        if self._settings.is_shared and server.cfg.workers != 1:
            asked = server.cfg.workers
            sys.exit(f"serve-bert: BERT_STATE=shared is one process, but {asked} workers are asked for (-w)")
        try:
            server.plan = encoder.verify_and_plan(self._settings)
            boot.import_shared(lambda: self._prepare(server.plan))
        except (ConfigurationError, ModelRefusedError) as error:
            sys.exit(f"serve-bert: {error}")
        server.board = board.Board(server.cfg.workers, server.cfg.threads)
        # Slots for the old and the new workers of a reload, for some that are asked for (TTIN), and the master's.
        server.store = Store(2 * server.cfg.workers + 64)
        server.metrics = metrics.of_master(server.store)
        server.replacements = 0
        boot.log_facts(self._facts(server))
        self._advise(server.cfg.workers)

    def on_reload(self, server: Any) -> None:
        """At a reload (HUP): verify the model again; the old one stays if the new one is refused."""
        if self._settings.is_shared and server.cfg.workers != 1:
            server.cfg.set("workers", 1)
            server.num_workers = 1
        server.board.threads = server.cfg.threads
        boot.started = time.monotonic()
        wanted = [] if self._is_slip else [self._settings]
        if self._is_slip or server.board.accepted:
            wanted.append(self._as_replaced(server))
        if self._plan_again(server, wanted) is self._settings:
            server.board.forget_replacement()

    def pre_fork(self, server: Any, worker: Any) -> None:
        """Give the worker to come a slot, and the model that its predecessor had."""
        if server.board.accepted and server.board.replacements != server.replacements:
            self._plan_again(server, [self._as_replaced(server)])
        worker.slot = board.lowest_free({other.slot for other in server.WORKERS.values()})

    def child_exit(self, server: Any, worker: Any) -> None:
        """After a worker's death: its slot is free. If no worker could ever serve this model, stop."""
        refused = server.board.state(worker.slot) is board.State.REFUSED
        server.board.clear(worker.slot)
        if refused and not server.board.was_ready and not getattr(server, "is_halting", False):
            server.is_halting = True  # the others' deaths are reaped while it halts, and must not halt it again
            raise HaltServer("no worker can serve this model", server.WORKER_BOOT_ERROR)

    def nworkers_changed(self, server: Any, new_value: int, _old_value: int | None) -> None:
        """The fleet is to have another number of workers (HUP, TTIN, TTOU)."""
        if not hasattr(server, "board"):
            return
        if self._settings.is_shared and new_value > 1:
            log.warning("BERT_STATE=shared is one process, and stays one", asked_for=new_value)
            server.num_workers = 1
            return
        server.board.workers = new_value

    def _as_replaced(self, server: Any) -> Settings:
        """The settings in force, but for the model: that by which a worker replaced its own, if one did."""
        return msgspec.structs.replace(self._settings, **msgspec.json.decode(server.board.accepted or b"{}"))

    def _plan_again(self, server: Any, wanted: list[Settings]) -> Settings | None:
        """Verify and plan the first model that is not refused; if all are, the old plan stays. Which it was."""
        for settings in wanted:
            try:
                plan = encoder.verify_and_plan(settings)
                self._prepare(plan)
            except (ModelRefusedError, ConfigurationError) as error:
                log.error("model refused, the old one stays", reason=str(error))
            except Exception as error:  # noqa: BLE001 - no memory, a full disk, a defect: the master must live
                log.error("model cannot be planned, the old one stays", reason=repr(error), frames=logs.frames(error))
            else:
                server.plan, server.replacements = plan, server.board.replacements
                return settings
        log.error("successors get the model of the last plan", fingerprint=server.plan.model.fingerprint)
        boot.assembled = assemble(self._settings)
        return None

    def _prepare(self, plan: Plan) -> None:
        """What workers are to inherit. torch must not compute before a fork, so its engine is not rehearsed."""
        encoder.import_engine(plan)
        boot.assembled = assemble(self._settings)
        if plan.native:
            rehearse(boot.assembled, self._settings, encoder.open_encoder(plan))

    @staticmethod
    def _advise(workers: int) -> None:
        quota = cores.by_cgroup()
        if quota is not None and workers > 2 * quota:
            advice = "WEB_CONCURRENCY=auto takes as many as serve best: each waits for the others' share of the quota"
            log.warning("more workers than twice the quota", workers=workers, cores_by_cgroup=quota, advice=advice)

    def _facts(self, server: Any) -> dict[str, Any]:
        return {
            **server.plan.facts(),
            "workers": server.cfg.workers,
            "threads_per_worker": server.cfg.threads,
            **boot.machine_facts(),
            "settings": boot.changed_settings(self._origins) or "all default",
        }
