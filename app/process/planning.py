"""Which model workers get: found, verified and prepared in the master, at its start, at a reload and before a birth."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog

from .. import assemble, encoder, web
from ..encoder import Checkpoint, Plan
from ..errors import ConfigurationError, ModelRefusedError
from ..fleet import boot, inheritance
from ..settings import Settings
from ..web.lean import App
from ..web.services import Services
from .forking import error_facts
from .rehearsal import rehearse

# What gunicorn is asked to serve, in a checkout and once installed.
OWN = f"{__package__.partition('.')[0]}:create_app()"
log = structlog.get_logger("serve-bert")


class Planning:
    """Under one reading of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def first(self, server: Any) -> None:
        """Before the fleet listens. Raises ConfigurationError, ModelRefusedError."""
        server.plan = encoder.verify_and_plan(self._settings)
        server.replacements = 0
        inheritance.import_shared(lambda: self._prepare(server, server.plan))

    def find(self) -> Checkpoint:
        """The long part of a reload, in a child: all that it makes beside the checkpoint is then in the cache."""
        checkpoint = encoder.verify_as(self._settings)
        encoder.plan_as(self._settings, checkpoint)
        return checkpoint

    def take(self, server: Any, checkpoint: Checkpoint) -> None:
        """The rest of it, in the master. Raises what refuses the model; then the old one stays."""
        plan = encoder.plan_as(self._settings, checkpoint)
        self._prepare(server, plan)
        inheritance.share_again()
        server.plan, server.replacements = plan, server.board.replacements
        server.board.forget_replacement()

    def before_birth(self, server: Any) -> None:
        """Where a worker has replaced its model in place, its successor gets the same; if it can, else the last plan's.

        The settings in force are as they were, but for the model.
        """
        if not server.board.accepted or server.board.replacements == server.replacements:
            return
        settings = msgspec.structs.replace(self._settings, **msgspec.json.decode(server.board.accepted))
        try:
            plan = encoder.verify_and_plan(settings)
            self._prepare(server, plan)
        except (ModelRefusedError, ConfigurationError) as error:
            log.error("model refused", reason=str(error))
        except Exception as error:  # noqa: BLE001 - no memory, a full disk, a defect: the master must live
            log.error("planning failed", **error_facts(error))
        else:
            server.plan, server.replacements = plan, server.board.replacements
            return
        log.error("successors get the model of the last plan", fingerprint=server.plan.model.fingerprint)
        self._assembled(server, assemble(self._settings), is_whole=False)

    def _prepare(self, server: Any, plan: Plan) -> None:
        """What workers are to inherit: the application, and on our own engine its model, with which it is rehearsed.

        torch must not compute before a fork. gunicorn has each worker find the application by its name, which copies
        0.8 MB of pages: where that is ours, it is told that it has been found.
        """
        encoder.import_engine(plan)
        app = assemble(self._settings)
        if plan.native:
            web.join_worker(app)
            app.extensions[Services.NAME].encoder = encoder.guarded(encoder.open_encoder(plan), self._settings.lock)
            rehearse(app, server.app.cfg)
            app.extensions[Services.NAME].encoder.let_go()
        self._assembled(server, app, is_whole=bool(plan.native))

    @staticmethod
    def _assembled(server: Any, app: App, *, is_whole: bool) -> None:
        """What is inherited from now on; the model of the one before is let go, which has cycles, but is frozen."""
        if boot.assembled:
            boot.assembled.extensions.pop(Services.NAME, None)
        boot.assembled = app
        server.app.callable = app if is_whole and getattr(server.app, "app_uri", "") == OWN else None
