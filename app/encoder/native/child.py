"""Work that takes much memory, in a forked process that gives all of it back."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress

PR_SET_PDEATHSIG = 1


class ChildDiedError(Exception):
    """The process ended before its work: killed, most likely for want of memory."""


def in_child(work: Callable[[], None]) -> None:
    """Do it in a child process and wait for that. Raises what `work` raises, or ChildDiedError."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _do(work, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if not answer:
        raise ChildDiedError(f"the process that did it ended with status {os.waitstatus_to_exitcode(status)}")
    error = pickle.loads(answer)  # noqa: S301 - of our own child
    if error is not None:
        raise error


def _do(work: Callable[[], None], writing: int) -> None:
    """Never returns: what the parent has to do at its end is not the child's."""
    error: BaseException | None = None
    try:
        _die_with_the_parent()
        work()
    except BaseException as raised:  # noqa: BLE001 - the parent raises it again
        error = raised
    with suppress(BaseException), os.fdopen(writing, "wb") as pipe:
        pipe.write(_pickled(error))
    os._exit(0)


def _die_with_the_parent() -> None:
    """Whoever stops a start must not wait for its end; on Linux, elsewhere it ends by itself."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _pickled(error: BaseException | None) -> bytes:
    try:
        return pickle.dumps(error)
    except (pickle.PicklingError, TypeError, AttributeError):
        return pickle.dumps(RuntimeError("".join(traceback.format_exception(error))))
