"""What is found out once and kept in the cache folder: by one process at a time, and whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TypeVar

from .waiting import lock

Found = TypeVar("Found")


def cache_folder(cache: str) -> Path | None:
    """BERT_CACHE, or a folder of ours in the user's cache; None if the user has no home."""
    try:
        return Path(cache).expanduser() if cache else Path.home() / ".cache" / "serve-bert"
    except RuntimeError:
        return None


def kept(
    path: Path,
    what: str,
    read: Callable[[Path], Found | None],
    make: Callable[[], Found],
    dump: Callable[[Found], bytes],
) -> Found:
    """What `make` gives, kept at `path`, or what another process has put there meanwhile.

    Whoever has the lock makes and writes; the others wait and read. Where there is no place for either, everyone makes.
    `what`: what a process does that holds the lock; `read`: None if there is nothing sound.
    """
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock(path.with_suffix(".lock"), what))
        except OSError:
            return make()
        found = read(path)
        if found is None:
            found = make()
            with suppress(OSError):  # the next start makes it again
                _write(path, dump(found))
        return found


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
