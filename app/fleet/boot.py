"""What the master holds for the workers that it forks: settings in force, the application, when it all began."""

from __future__ import annotations

import time
from typing import Any

from ..settings import Origin, Settings

# The settings that the master runs with, and their origins; outlives a reload of gunicorn.conf.py.
in_force: tuple[Settings, list[Origin]] | None = None
# Why the settings of a reload cannot be used; empty if they can.
refused = ""
# The application as far as all workers share it, made by the master before it forks.
assembled: Any = None
# When this fleet began to start, or to reload, by the monotonic clock.
started = time.monotonic()


def settings_in_force() -> Settings | None:
    """The settings that the master forked this process with; None outside of a fleet."""
    return in_force[0] if in_force else None


def drain_delay_s() -> float:
    """How long a fleet answers on once it is told to stop; 0 outside of one."""
    return in_force[0].drain_delay_s if in_force else 0
