"""What the master does: at its start, at a reload, before a fork, after a worker's death."""

from __future__ import annotations

import sys
import time
from typing import Any

import structlog

from ..encoder import Checkpoint
from ..errors import ConfigurationError, ModelRefusedError
from ..fleet import board, boot, cores, facts, logs
from ..fleet.metrics import register
from ..fleet.metrics.processes import ProcessorTime
from ..fleet.metrics.series import Store
from ..server.passing_on import Handing
from ..settings import Origin, Settings
from ..version import VERSION
from . import handover, reload, second_address, sockets
from .arbiter import Arbiter
from .planning import Planning

log = structlog.get_logger("serve-bert")


class Master:
    """gunicorn's hooks in the master, under one reading of the settings: a reload makes another."""

    def __init__(self, settings: Settings, origins: list[Origin]) -> None:
        self._settings = settings
        self._origins = origins
        self._planning = Planning(settings)

    def hooks(self) -> dict[str, Any]:
        """By gunicorn's names."""
        names = ("on_starting", "when_ready", "on_reload", "pre_fork", "child_exit", "nworkers_changed")
        return {name: getattr(self, name) for name in names}

    def on_starting(self, server: Any) -> None:
        """Before it listens: verify the model, import what the workers share."""
        try:
            second_address.join(server.cfg, self._settings.admin_bind)
            self._check(server)
            Arbiter.adopt(server)
            # Slots for the old and the new workers of a reload, for some that are asked for (TTIN), and the master's.
            server.store = Store.inherited(2 * server.cfg.workers + 64, handover.heritage())
            server.metrics = register.of_master(server.store)
            self._planning.first(server)
        except (ConfigurationError, ModelRefusedError) as error:
            sys.exit(logs.last_words(error, self._settings.log_format))
        except KeyboardInterrupt:
            sys.exit(130)
        server.board = board.Board(server.cfg.workers, server.cfg.threads)
        server.handing = Handing()
        server.processor_time = ProcessorTime(server.metrics.cpu_seconds)
        logs.count_dropped(server.metrics.log_lines_dropped.inc)
        logs.write_at_length("boot", self._facts(server))
        self._advise(server.cfg.workers)

    def when_ready(self, server: Any) -> None:
        """It listens."""
        sockets.remember(server.LISTENERS)
        bind = self._settings.admin_bind
        if bind and not any(second_address.is_at(listener, bind) for listener in server.LISTENERS):
            log.warning(
                "nobody listens at BERT_ADMIN_BIND: it is not among the sockets that were handed over", bind=bind
            )

    def on_reload(self, server: Any) -> None:
        """At a reload (HUP), under the new settings, which are not in force yet: plan the model again."""
        self._check_workers(server.app.cfg)
        second_address.join(server.app.cfg, self._settings.admin_bind)
        boot.started = time.monotonic()
        reload.find_in_child(server, self._planning.find, lambda checkpoint: self._take(server, checkpoint))

    def _take(self, server: Any, checkpoint: Checkpoint) -> None:
        before = server.plan.model.fingerprint
        self._planning.take(server, checkpoint)
        server.board.threads = server.app.cfg.threads
        logs.write_at_length("reload", {"fingerprint_before": before, **self._facts(server)})

    def pre_fork(self, server: Any, worker: Any) -> None:
        """Give the worker to come a slot, and the model that its predecessor had."""
        self._planning.before_birth(server)
        worker.slot = board.lowest_free({other.slot for other in server.WORKERS.values()})

    def child_exit(self, server: Any, worker: Any) -> None:
        """After a worker's death: its slot is free."""
        server.board.clear(worker.slot)

    def nworkers_changed(self, server: Any, new_value: int, old_value: int | None) -> None:
        """The fleet is to have another number of workers (HUP, TTIN, TTOU)."""
        if not hasattr(server, "board"):
            return
        if self._settings.is_shared and new_value > 1:
            log.warning("BERT_STATE=shared is one process, and stays one", asked_for=new_value)
            server.num_workers = 1
            return
        server.board.workers = new_value
        if old_value not in (None, new_value):
            log.info("another number of workers", workers=new_value, workers_before=old_value)

    def _check(self, server: Any) -> None:
        """Raise ConfigurationError at what gunicorn was asked for and cannot be."""
        if server.cfg.preload_app:
            raise ConfigurationError("--preload cannot be used: each worker makes its own application, after the fork")
        if server.cfg.is_ssl:
            raise ConfigurationError("--certfile and --keyfile cannot be used: a proxy in front speaks TLS")
        self._check_workers(server.cfg)
        if not sockets.are_given(server):
            reason = sockets.await_free(second_address.settings_of(server.cfg, self._settings.admin_bind))
            if reason:
                raise ConfigurationError(reason)

    def _check_workers(self, configuration: Any) -> None:
        asked = configuration.workers
        if self._settings.is_shared and asked != 1:
            raise ConfigurationError(f"BERT_STATE=shared is one process, but {asked} workers are asked for (-w)")
        if asked < 1:
            raise ConfigurationError(f"{asked} workers are asked for (-w); 1 is the least")

    @staticmethod
    def _advise(workers: int) -> None:
        quota = cores.by_cgroup()
        if quota is not None and workers > 2 * quota:
            advice = "WEB_CONCURRENCY=auto takes as many as serve best: each waits for the others' share of the quota"
            log.warning("more workers than twice the quota", workers=workers, cores_by_cgroup=quota, advice=advice)

    @staticmethod
    def _times(configuration: Any) -> dict[str, int]:
        """Those that flags of gunicorn's may have set."""
        return {"timeout_s": configuration.timeout, "graceful_timeout_s": configuration.graceful_timeout}

    def _facts(self, server: Any) -> dict[str, Any]:
        return {
            "version": VERSION,
            **server.plan.facts(),
            "workers": server.app.cfg.workers,
            "threads_per_worker": server.app.cfg.threads,
            "limits": facts.of_limits(self._settings) | self._times(server.app.cfg),
            **facts.of_machine(),
            "settings": facts.of_settings(self._origins) or "all default",
        }
