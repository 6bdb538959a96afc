"""`serve-bert` alone: the fleet, from any folder.

gunicorn's own command reads a gunicorn.conf.py in the working folder and puts that folder first on Python's path, so
that an app.py there would be imported. Ours does neither, nor does the successor that it starts (USR2).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .. import process

import structlog  # isort: skip
from gunicorn.app.base import BaseApplication  # isort: skip

from .. import create_app

GUNICORNS_OWN = "GUNICORN_CMD_ARGS"
log = structlog.get_logger("serve-bert")


class Fleet(BaseApplication):  # type: ignore[misc]
    """gunicorn under our process model; the flags hold at each reload, too."""

    def __init__(self, flags: Mapping[str, str]) -> None:
        self._flags = flags
        super().__init__()

    def load_config(self) -> None:
        """At the start and at each reload (HUP)."""
        for name, value in process.configuration(self._flags).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """In each worker."""
        return create_app()


def serve(flags: Mapping[str, str]) -> None:
    """Serve until a signal ends it. Never returns."""
    fleet = Fleet(flags)
    if os.environ.get(GUNICORNS_OWN):
        log.warning(f"{GUNICORNS_OWN} is not read by this command: its own flags are (--help)")
    fleet.run()
