"""What a service manager is told where one listens (NOTIFY_SOCKET), by the protocol of sd_notify(3).

gunicorn itself says that it has started.
"""

from __future__ import annotations

import time
from typing import Any

from gunicorn.systemd import sd_notify


def reloading(arbiter: Any) -> None:
    """Settings and model are being read anew."""
    _tell(arbiter, f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}", "reading settings and model anew")


def ready(arbiter: Any, status: str) -> None:
    """It serves, as before or with what a reload has brought."""
    _tell(arbiter, "READY=1", status)


def stopping(arbiter: Any) -> None:
    """It is ending, and nobody goes on in its place."""
    _tell(arbiter, "STOPPING=1", "answering who is in")


def succeeded(arbiter: Any, pid: int) -> None:
    """It is ending, and the fleet of the master with that pid goes on: else the manager would end that, too."""
    _tell(arbiter, f"MAINPID={pid}", "handed over")


def _tell(arbiter: Any, state: str, status: str) -> None:
    sd_notify(f"{state}\nSTATUS={status}", arbiter.log)
