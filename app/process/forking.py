"""A fork whose child ends where it should, and hears signals from its first instruction on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any, Never

from ..encoder import end_with_parent
from ..errors import ConfigurationError, ModelRefusedError
from ..fleet import logs

# A Ctrl-C reaches the whole group, and the master alone decides; the others are the master's own.
PASSED_OVER = {signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}
HEARD = {signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD} | PASSED_OVER


def fork(child: Callable[[], object], failed: Callable[[BaseException], object]) -> int:
    """Run `child` in a process of its own, and end that; its id. Raises OSError where there can be none.

    The master's handlers would put a signal aside that comes before the child has its own: so signals wait meanwhile,
    and TERM ends the child as it does any process. `failed` is told what `child` raised, there.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    try:
        master_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            for number in HEARD:
                signal.signal(number, signal.SIG_IGN if number in PASSED_OVER else signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            end_with_parent(signal.SIGTERM)
            if os.getppid() != master_pid:
                os._exit(1)  # it had ended before
            _live(child, failed)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _live(child: Callable[[], object], failed: Callable[[BaseException], object]) -> Never:
    """Python's own teardown would free every object that was inherited, and so copy its page: 2.5 s for ten workers."""
    code = 1
    try:
        child()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException as error:  # noqa: BLE001 - whatever it was, it must not run on in the master's loop
        failed(error)
    finally:
        logs.close()
        os._exit(code)


def is_expected(error: BaseException) -> bool:
    """Whether its sentence says all: a setting or a model is at fault, not we."""
    return isinstance(error, ConfigurationError | ModelRefusedError)


def error_facts(error: BaseException) -> dict[str, Any]:
    """An error for a log line: its words; of what nobody expected its class and place, too."""
    if is_expected(error):
        return {"reason": str(error)}
    return {"error_class": type(error).__name__, "reason": str(error), "frames": logs.frames(error)}


def how(status: int) -> dict[str, Any]:
    """How a process ended, for a log line."""
    if os.WIFSIGNALED(status):
        return {"signal": signal.Signals(os.WTERMSIG(status)).name}
    return {"exit_code": os.WEXITSTATUS(status)}
