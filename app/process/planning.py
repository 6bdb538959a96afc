"""Which model workers get: found, verified and prepared in the master, at its start, at a reload and before a birth."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import structlog

from .. import assemble, encoder
from ..encoder import Plan
from ..errors import ConfigurationError, ModelRefusedError
from ..fleet import boot, inheritance, logs
from ..settings import Settings
from ..web.rehearsal import rehearse

log = structlog.get_logger("serve-bert")


class Planning:
    """Under one reading of the settings."""

    def __init__(self, settings: Settings, *, is_slip: bool) -> None:
        """`is_slip`: these are the old settings, for the new ones were refused."""
        self._settings = settings
        self._is_slip = is_slip

    def first(self, server: Any) -> None:
        """Before the fleet listens. Raises ConfigurationError, ModelRefusedError."""
        server.plan = encoder.verify_and_plan(self._settings)
        server.replacements = 0
        inheritance.import_shared(lambda: self._prepare(server.plan))

    def warm(self, server: Any) -> None:
        """In a child, before `at_reload`: what takes long (a download, a description, packing) is then in the cache."""
        for settings in self._wanted(server):
            with contextlib.suppress(Exception):  # told when it is done again in the master
                encoder.verify_and_plan(settings)
                return

    def at_reload(self, server: Any) -> None:
        """Take the model that is asked for now; a refused one leaves the old."""
        if self._take_first(server, self._wanted(server)) is self._settings:
            server.board.forget_replacement()

    def before_birth(self, server: Any) -> None:
        """Where a worker has replaced its model in place, its successor gets the same."""
        if server.board.accepted and server.board.replacements != server.replacements:
            self._take_first(server, [self._as_replaced(server)])

    def _wanted(self, server: Any) -> list[Settings]:
        wanted = [] if self._is_slip else [self._settings]
        return [*wanted, self._as_replaced(server)] if self._is_slip or server.board.accepted else wanted

    def _as_replaced(self, server: Any) -> Settings:
        """The settings in force, but for the model: that by which a worker replaced its own, if one did."""
        return msgspec.structs.replace(self._settings, **msgspec.json.decode(server.board.accepted or b"{}"))

    def _take_first(self, server: Any, wanted: list[Settings]) -> Settings | None:
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
