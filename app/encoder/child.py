"""Work that takes much memory, in a forked process that gives all of it back."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

PR_SET_PDEATHSIG = 1
Result = TypeVar("Result")


class ChildDiedError(Exception):
    """The process ended before its work: killed, most likely for want of memory."""


def in_child(work: Callable[[], Result]) -> Result:
    """Do it in a child process, wait, and return what it returned. Raises what it raised, or ChildDiedError."""
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
    result, error = pickle.loads(answer)  # noqa: S301 - of our own child
    if error is not None:
        raise error
    return cast("Result", result)


def _do(work: Callable[[], Any], writing: int) -> None:
    """Never returns: what the parent has to do at its end is not the child's."""
    result: Any = None
    error: BaseException | None = None
    try:
        end_with_parent()
        result = work()
    except BaseException as raised:  # noqa: BLE001 - the parent raises it again
        error = raised
    with suppress(BaseException), os.fdopen(writing, "wb") as pipe:
        pipe.write(_pickled(result, error))
    os._exit(0)


def end_with_parent(number: int = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when its parent ends; on Linux, elsewhere it ends by itself."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))


def _pickled(result: Any, error: BaseException | None) -> bytes:
    try:
        return pickle.dumps((result, error))
    except (pickle.PicklingError, TypeError, AttributeError):
        return pickle.dumps((None, RuntimeError("".join(traceback.format_exception(error)))))
