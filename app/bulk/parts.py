"""Files that grow under other names and get their own once they are whole; one process at a time has them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .journal import JournalError


class Parts:
    """The files of one output, by their final names."""

    def __init__(self, paths: list[Path]) -> None:
        """Take hold of them all. Raises JournalError if another process has them, or they cannot be written."""
        self._files: dict[Path, BinaryIO] = {}
        try:
            for path in paths:
                self._files[path] = _held(path)
        except BaseException:
            self.close()
            raise

    def cut(self, sizes: dict[str, int]) -> None:
        """Take each back to what was recorded; what was written after that is made again. Raises JournalError."""
        for path, file in self._files.items():
            kept = sizes.get(path.name, 0)
            if os.fstat(file.fileno()).st_size < kept:
                raise JournalError(f"{growing(path)} is gone or too short; --overwrite begins anew")
            file.truncate(kept)
            file.seek(kept)

    def append(self, path: Path, content: bytes) -> None:
        """Write at the end of a file. Raises JournalError."""
        with _writing(path):
            self._files[path].write(content)

    def replace_start(self, path: Path, content: bytes) -> None:
        """Write over the beginning of a file."""
        file = self._files[path]
        with _writing(path):
            file.seek(0)
            file.write(content)
            file.seek(0, os.SEEK_END)

    def force(self) -> dict[str, int]:
        """Have all that is written on disk; the size of each file by its final name. Raises JournalError."""
        for path, file in self._files.items():
            with _writing(path):
                file.flush()
                os.fsync(file.fileno())
        return {path.name: file.tell() for path, file in self._files.items()}

    def name(self, sizes: dict[str, int], optional: Path) -> None:
        """Give the whole files their names; if nothing is in `optional`, there is none, and one from earlier goes.

        Some may have their names already: whoever did this before was stopped in it.
        """
        for path, file in self._files.items():
            is_named = sizes[path.name] > os.fstat(file.fileno()).st_size
            if path == optional and not sizes[path.name]:
                path.unlink(missing_ok=True)
                growing(path).unlink()
            elif is_named:
                growing(path).unlink()
            else:
                growing(path).replace(path)

    def close(self) -> None:
        """Let go of them; those in which nothing is go."""
        for path, file in self._files.items():
            with suppress(OSError):  # what was not forced to disk is made again
                file.close()
            if growing(path).exists() and not growing(path).stat().st_size:
                growing(path).unlink()


def growing(path: Path) -> Path:
    """The name under which a file grows."""
    return path.with_name(path.name + ".unfinished")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalError(
            f"{path} cannot be written: {error.strerror or error}; once it can, the same command goes on"
        ) from None


def _held(path: Path) -> BinaryIO:
    with _writing(path):
        descriptor = os.open(growing(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise JournalError(f"another process is writing {path}") from None
    return os.fdopen(descriptor, "r+b")
