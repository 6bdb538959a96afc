"""The facts of a boot, one a line of the log: the machine, and what is set."""

from __future__ import annotations

import sys
from typing import Any

import structlog

from ..settings import Origin
from . import cores

log = structlog.get_logger("serve-bert")


def tell(facts: dict[str, Any]) -> None:
    """Log each fact of a boot on a line of its own."""
    for name, value in facts.items():
        log.info("boot", **{name: value})


def of_machine() -> dict[str, Any]:
    """The machine as this fleet may use it."""
    quota = cores.by_cgroup()
    return {
        "python": sys.version.split()[0],
        "cores_by_affinity": cores.by_affinity(),
        "cores_by_cgroup": "no quota" if quota is None else quota,
    }


def of_settings(origins: list[Origin]) -> dict[str, str]:
    """Settings that differ from their default, with their source; secrets are masked already."""
    return {origin.name: f"{origin.value} ({origin.source})" for origin in origins if not origin.is_default}
