"""What the workers inherit from the master, so that its pages stay shared."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable


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


def share_again() -> None:
    """After a reload: what was replaced is collected, which was frozen, and what is new is frozen in its place."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    _tidy_heap()


def _tidy_heap() -> None:
    """Have the C library (glibc) join and give back what was freed; a worker that did it would copy pages for it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
