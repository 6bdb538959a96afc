"""USR2: a new master beside the old one, on the same socket. Each says to the other whether its fleet serves.

So the one that is told to end knows whether anybody answers in its place: then it never says "not ready".
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Any

VARIABLE = "SERVE_BERT_HANDOVER_FD"
SERIES = "SERVE_BERT_SERIES"
SERVES, LEAVES = b"1", b"0"


class Handover:
    """One master's end of a pair of sockets."""

    def __init__(self, own: socket.socket, *, other_serves: bool) -> None:
        self._own = own
        self._other_serves = other_serves
        own.setblocking(False)  # noqa: FBT003 - the signature is Python's

    def say(self, what: bytes) -> None:
        """SERVES or LEAVES; if nobody is left to hear it, that is well too."""
        with contextlib.suppress(OSError):
            self._own.send(what, socket.MSG_NOSIGNAL)

    def other_serves(self) -> bool:
        """Whether the other fleet answers, by what its master said last; not, once that is gone."""
        with contextlib.suppress(BlockingIOError):
            try:
                said = self._own.recv(64)
            except ConnectionError:
                said = b""
            self._other_serves = said[-1:] == SERVES
        return self._other_serves

    def close(self) -> None:
        """The other master is gone."""
        self._own.close()


def inherited() -> Handover | None:
    """In a new master: the way to the old one, which serves; None where there is none."""
    descriptor = os.environ.pop(VARIABLE, "")
    try:
        return Handover(socket.socket(fileno=int(descriptor)), other_serves=True) if descriptor else None
    except (OSError, ValueError):  # somebody set the variable by hand
        return None


def heritage() -> str:
    """In a new master: where the old one's metrics are, which go on; "" where there is none."""
    return os.environ.pop(SERIES, "")


def execute(arbiter: Any, new_end: socket.socket, master_pid: int) -> None:
    """In the child of a USR2: become a new master with the old one's command, environment and sockets."""
    new_end.set_inheritable(True)
    environ = arbiter.cfg.env_orig | {VARIABLE: str(new_end.fileno()), "GUNICORN_PID": str(master_pid)}
    environ |= {SERIES: arbiter.store.bequeath()}
    descriptors = [listener.fileno() for listener in arbiter.LISTENERS]
    if arbiter.systemd:
        environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(descriptors))}
    else:
        environ |= {"GUNICORN_FD": ",".join(map(str, descriptors))}
    os.chdir(arbiter.START_CTX["cwd"])
    os.execvpe(arbiter.START_CTX[0], arbiter.START_CTX["args"], environ)  # noqa: S606 - our own command again
