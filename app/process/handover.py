"""USR2: a new master beside the old one, on the same socket; and how the old one learns that the new fleet serves."""

from __future__ import annotations

import os
from typing import Any

VARIABLE = "SERVE_BERT_HANDOVER_FD"


class Handover:
    """The old master's end of a pipe, on which the new one says once that all of its workers are ready."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        self._is_ready = False
        os.set_blocking(self._reading, False)

    def environment(self) -> dict[str, str]:
        """For the new master."""
        os.set_inheritable(self._writing, True)  # noqa: FBT003 - the signature is Python's
        return {VARIABLE: str(self._writing)}

    def forked(self) -> None:
        """In the old master, once the new one has its end."""
        os.close(self._writing)

    def is_ready(self) -> bool:
        """Whether the new fleet serves."""
        if not self._is_ready:
            try:
                self._is_ready = os.read(self._reading, 1) != b""
            except BlockingIOError:
                return False
        return self._is_ready

    def close(self) -> None:
        """The new master is gone."""
        os.close(self._reading)


def say_ready() -> None:
    """In a new master: tell the old one, if there is any."""
    descriptor = os.environ.pop(VARIABLE, None)
    if descriptor:
        try:
            os.write(int(descriptor), b"1")
            os.close(int(descriptor))
        except (OSError, ValueError):  # the old one is gone; or somebody set the variable by hand
            return


def execute(arbiter: Any, handover: Handover, master_pid: int) -> None:
    """In the child of a USR2: become a new master with the old one's command, environment and sockets."""
    environ = arbiter.cfg.env_orig | handover.environment() | {"GUNICORN_PID": str(master_pid)}
    descriptors = [listener.fileno() for listener in arbiter.LISTENERS]
    if arbiter.systemd:
        environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(descriptors))}
    else:
        environ |= {"GUNICORN_FD": ",".join(map(str, descriptors))}
    os.chdir(arbiter.START_CTX["cwd"])
    os.execvpe(arbiter.START_CTX[0], arbiter.START_CTX["args"], environ)  # noqa: S606 - our own command again
