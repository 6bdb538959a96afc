"""A file that is there whole or not at all, whatever ends this process or this machine."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes, partial: Path) -> None:
    """Write it under the name `partial`, have it on disk, and rename it. Raises OSError."""
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
