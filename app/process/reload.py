"""A reload (HUP): settings read anew, the model found in a child, new workers beside the old, or nothing changes."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import structlog

from ..errors import ConfigurationError
from ..fleet import boot, logs
from . import forking, notices, sockets
from .reload_child import ReloadChild

log = structlog.get_logger("serve-bert")


def begin(arbiter: Any) -> None:
    """Read everything anew. Nothing changes before a child has found the model; what is refused leaves all."""
    if arbiter.drain:
        return
    overtake(arbiter)
    notices.reloading(arbiter)
    try:
        _read(arbiter.app.reload)
        arbiter.app.cfg.on_reload(arbiter)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the fleet serves on
        _keep_all(arbiter, error)


def find_in_child(arbiter: Any, find: Callable[[], Any], take: Callable[[Any], None]) -> None:
    """Do the long part in a child: `find`; then `take` what it found, and replace the workers."""
    arbiter.reload_child = ReloadChild(find, lambda error: log.error("planning failed", **forking.error_facts(error)))
    arbiter.take = take


def finish(arbiter: Any, status: int) -> None:
    """The child has ended, of which wait(2) says `status`."""
    child, arbiter.reload_child = arbiter.reload_child, None
    new: list[Any] = []
    try:
        found = child.found(status)
        new = sockets.opened(arbiter.LISTENERS, arbiter.app.cfg, arbiter.log)
        arbiter.take(found)
    except Exception as error:  # noqa: BLE001 - whatever it is, the fleet serves on
        sockets.close([one for one in new if one not in arbiter.LISTENERS])
        _keep_all(arbiter, error)
        return
    arbiter.setup(arbiter.app)
    arbiter.log.reopen_files()
    sockets.close([one for one in arbiter.LISTENERS if one not in new])
    arbiter.LISTENERS, arbiter.in_force = new, boot.in_force
    note(arbiter, is_done=True)
    arbiter.succession.replace_all(arbiter.worker_age)


def overtake(arbiter: Any) -> None:
    """Another reload, or the end, has overtaken the one that is under way."""
    if arbiter.reload_child:
        arbiter.reload_child.stop()
        arbiter.reload_child = None


def note(arbiter: Any, *, is_done: bool) -> None:
    """Count a reload, and what came of it."""
    arbiter.metrics.reloads.labels("done" if is_done else "refused").inc()
    arbiter.board.is_reload_refused = not is_done


def _keep_all(arbiter: Any, error: BaseException) -> None:
    """All stays as it was."""
    arbiter.app.cfg, boot.in_force = arbiter.cfg, arbiter.in_force
    if boot.in_force:
        logs.configure(boot.in_force[0])
    log.error("reload refused", **forking.error_facts(error))
    notices.ready(arbiter, f"reload refused: {error}")
    note(arbiter, is_done=False)


def _read(read: Callable[[], None]) -> None:
    """Read the configuration. Raises what refuses it.

    gunicorn prints what is wrong with its file to standard error, and would wait for whoever reads that.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            read()
    except SystemExit:
        lines = said.getvalue().strip().splitlines() or ["it says no more"]
        raise ConfigurationError(f"gunicorn's configuration: {lines[-1]}") from None
    if boot.refused:
        raise ConfigurationError(boot.refused)
