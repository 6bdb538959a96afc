"""The long part of a reload, in a child: a download, a description, packing. It answers through shared memory."""

from __future__ import annotations

import mmap
import os
import pickle
import signal
from collections.abc import Callable
from typing import Any

from ..errors import ConfigurationError
from . import forking
from .forking import how, is_expected

# Pickled, a verified model takes 10 KB; a pipe would hold 64, and wait for a reader with more. Touched as it is used.
MOST_BYTES = 1 << 24


class ReloadChild:
    """A child at work. Raises OSError where there can be none."""

    def __init__(self, work: Callable[[], Any], failed: Callable[[BaseException], object]) -> None:
        """`work` returns what can be pickled; `failed` is told in the child what it raised that nobody expected."""
        self._memory = mmap.mmap(-1, MOST_BYTES)
        self._failed = failed
        self.pid = forking.fork(lambda: self._keep(work()), self._fail)

    def _keep(self, found: Any) -> None:
        self._memory.write(pickle.dumps(found))

    def _fail(self, error: BaseException) -> None:
        if is_expected(error):
            self._keep(error)
        else:
            self._failed(error)

    def found(self, status: int) -> Any:
        """What the work returned, once its process has ended, of which wait(2) says `status`.

        Raises what refused the model; ConfigurationError if it ended otherwise: what it died of, the master must not
        try itself.
        """
        if status and self._memory[:1] != b"\0":
            raise pickle.loads(self._memory[:])  # noqa: S301 - as below
        if status:
            ((name, value),) = how(status).items()
            raise ConfigurationError(f"planning ended with {name} {value}")
        return pickle.loads(self._memory[:])  # noqa: S301 - of our own child

    def stop(self) -> None:
        """Another reload, or the fleet's end, has overtaken it."""
        os.kill(self.pid, signal.SIGTERM)
