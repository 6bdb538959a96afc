"""How a measuring process is set up."""

from __future__ import annotations

import os
import resource
import signal
import sys

NEEDED_FILES = 8192
PAGE_WIDTH = 150


def is_quick() -> bool:
    """Whether the short form is wanted (QUICK=1)."""
    return os.environ.get("QUICK", "") not in {"", "0"}


def prepare_process() -> None:
    """Files enough for a thousand clients; TERM ends this as Ctrl-C does, so that no service is left behind."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < NEEDED_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(NEEDED_FILES, hard) if hard > 0 else NEEDED_FILES, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
