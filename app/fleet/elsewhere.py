"""An application that our process model did not fork: in a gunicorn that read another configuration, or elsewhere."""

from __future__ import annotations

import os
import sys

import structlog
from gunicorn.errors import AppImportError

from ..version import CHECKOUT
from . import threads

COMMAND = f"cd {CHECKOUT} && .venv/bin/gunicorn 'app:create_app()'" if CHECKOUT else "serve-bert"
log = structlog.get_logger("serve-bert")


class NotOurFleetError(AppImportError, RuntimeError):  # type: ignore[misc]
    """Ends gunicorn's start with its sentence: a worker ends it by the first kind, the master by the second."""


def refuse_gunicorn() -> None:
    """Raise NotOurFleetError in a gunicorn without our configuration: it would serve by defaults of its own.

    That is one worker, on another address than the settings say, which is killed if its model loads slowly.
    """
    if "gunicorn.arbiter" in sys.modules and os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn/"):
        raise NotOurFleetError(
            f"serve-bert: this gunicorn has not read our gunicorn.conf.py, so there is no fleet. Type: {COMMAND}"
        )


def say_what_is_missing() -> None:
    """In any other server: it serves, but it is no fleet."""
    threads.pin()
    log.warning(f"no process model of ours: metrics speak for one process, and a reload is yours. A fleet: {COMMAND}")
