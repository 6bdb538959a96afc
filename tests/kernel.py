"""Whether the kernel is there: on a machine without a C compiler everything else is still tested."""

from __future__ import annotations

import os
from functools import cache

from app.encoder.native import library


@cache
def has_kernel() -> bool:
    """Where CI is set, a kernel that is missing is a failure."""
    try:
        library.load()
    except library.UnavailableError:
        if os.environ.get("CI"):
            raise
        return False
    return True


def engine_here(engine: str) -> str:
    """The engine that serves here what `engine` serves where there is a kernel."""
    return "sentence-transformers" if engine == "native" and not has_kernel() else engine
