"""The facts of a boot or a reload: the machine, and what is set."""

from __future__ import annotations

import sys
from typing import Any

from ..settings import Origin, Settings
from . import cores

LIMITS = ("max_texts", "max_chars", "max_request_tokens", "max_unpooled_numbers", "max_body_bytes", "max_queue_ms")


def of_machine() -> dict[str, Any]:
    """The machine as this fleet may use it."""
    quota = cores.by_cgroup()
    return {
        "python": sys.version.split()[0],
        "cores_by_affinity": cores.by_affinity(),
        "cores_by_cgroup": "no quota" if quota is None else quota,
    }


def of_limits(settings: Settings) -> dict[str, int]:
    """What a request may be, by the settings' names."""
    return {name: getattr(settings, name) for name in LIMITS}


def of_settings(origins: list[Origin]) -> dict[str, str]:
    """Settings that differ from their default, with their source; secrets are masked already."""
    return {origin.name: f"{origin.value} ({origin.source})" for origin in origins if not origin.is_default}
