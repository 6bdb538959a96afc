"""`serve-bert` alone: the fleet, from any folder.

gunicorn's own command reads a gunicorn.conf.py in the working folder and puts that folder first on Python's path, so
that an app.py there would be imported. Ours does neither, nor does the successor that it starts (USR2).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .. import process

import structlog  # isort: skip

from .. import create_app, names


@contextmanager
def unset(name: str) -> Iterator[None]:
    """The environment without this variable, for as long as the block runs."""
    value = os.environ.pop(name, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[name] = value


# gunicorn takes it for a number as it is imported; empty and `auto` are ours to understand.
with unset(names.environment_name("workers")):
    from gunicorn.app.base import BaseApplication

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
