"""What the master does before it forks, and the facts that it logs, one a line."""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections.abc import Callable
from typing import Any

import structlog

from ..settings import Origin, Settings
from . import cores

# The settings that the master runs with, and their origins; outlives a reload of gunicorn.conf.py.
in_force: tuple[Settings, list[Origin]] | None = None
# The application as far as all workers share it, made by the master before it forks.
assembled: Any = None
# When this fleet began to start, or to reload, by the monotonic clock.
started = time.monotonic()
log = structlog.get_logger("serve-bert")


def settings_in_force() -> Settings | None:
    """The settings that the master forked this process with; None outside of a fleet."""
    return in_force[0] if in_force else None


def import_shared(import_engine: Callable[[], None]) -> None:
    """Import what every worker needs, so that they inherit the pages, and keep the collector off them for good.

    A collection in a forked worker would write to every inherited object, and so copy its page; frozen objects are
    left alone. What garbage the imports made is frozen with them: collecting it first took 0.4 s of every start.
    """
    gc.disable()
    try:
        import_engine()
    finally:
        gc.enable()
    gc.freeze()
    _tidy_heap()


def _tidy_heap() -> None:
    """Have the C library (glibc) join and give back what was freed; a worker that did it would copy pages for it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def log_facts(facts: dict[str, Any]) -> None:
    """Log each fact of a boot on a line of its own."""
    for name, value in facts.items():
        log.info("boot", **{name: value})


def machine_facts() -> dict[str, Any]:
    """The machine as this fleet may use it."""
    quota = cores.by_cgroup()
    return {
        "python": sys.version.split()[0],
        "cores_by_affinity": cores.by_affinity(),
        "cores_by_cgroup": "no quota" if quota is None else quota,
    }


def changed_settings(origins: list[Origin]) -> dict[str, str]:
    """Settings that differ from their default, with their source; secrets are masked already."""
    return {origin.name: f"{origin.value} ({origin.source})" for origin in origins if not origin.is_default}
