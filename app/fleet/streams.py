"""Standard streams that are closed: opened on nothing, before a file or a socket of ours takes their number."""

from __future__ import annotations

import contextlib
import os
import sys


def open_closed() -> None:
    """Open what is closed of 0, 1 and 2. A library that writes to standard error would write into a socket else."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        with contextlib.suppress(OSError):  # without descriptors, or without /dev, there is nothing to be done
            if not _is_open(descriptor):
                nothing = os.open(os.devnull, os.O_RDWR)
                if nothing != descriptor:
                    os.dup2(nothing, descriptor)
                    os.close(nothing)
            if getattr(sys, name) is None:
                setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
