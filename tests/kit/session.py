"""A command in a session of its own: whatever it forks belongs to it, and is gone when it is ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
LOOK_EVERY_S = 0.05


class Session:
    """Its processes, and what they cost."""

    def __init__(self, command: list[str], environ: dict[str, str], folder: Path, output: IO[bytes] | int) -> None:
        self.began_s = time.monotonic()
        self.process = subprocess.Popen(
            command, cwd=folder, env=environ, stdout=output, stderr=output, start_new_session=True
        )

    @property
    def age_s(self) -> float:
        """Seconds since the command."""
        return time.monotonic() - self.began_s

    @property
    def pid(self) -> int:
        """Its first process: gunicorn's master, if that is the command."""
        return self.process.pid

    def pids(self) -> list[int]:
        """All of its processes that run."""
        return [int(entry.name) for entry in Path("/proc").iterdir() if self._owns(entry)]

    def cpu_s(self) -> float:
        """Seconds of CPU that its processes have taken, and those that they have outlived."""
        ticks = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                ticks += sum(map(int, _stat(Path(f"/proc/{pid}"))[11:15]))
        return ticks / TICKS_PER_S

    def pss_mb(self) -> float:
        """Its memory: pages that several processes share are shared out among them."""
        return self._memory_mb("Pss:")

    def rss_mb(self) -> float:
        """Its memory as `ps` adds it up: pages that several processes share are counted for each."""
        return self._memory_mb("Rss:")

    def end(self, grace_s: float) -> list[int]:
        """TERM to all of it, KILL to what is left after the grace: the ids of those."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)
        end_s = time.monotonic() + grace_s
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(grace_s)
        while (left := self.pids()) and time.monotonic() < end_s:
            time.sleep(LOOK_EVERY_S)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        return left

    def _memory_mb(self, kind: str) -> float:
        kib = 0
        for pid in self.pids():
            with contextlib.suppress(OSError, StopIteration):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
                kib += int(next(line for line in lines if line.startswith(kind)).split()[1])
        return kib / 1024

    def _owns(self, entry: Path) -> bool:
        with contextlib.suppress(OSError, IndexError):
            if entry.name.isdigit():
                state, *fields = _stat(entry)
                return int(fields[2]) == self.pid and state not in "ZX"
        return False


def children(pid: int) -> list[int]:
    """A process's, youngest last."""
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()))


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return _stat(Path(f"/proc/{pid}"))[0] not in "ZX"
    except OSError:
        return False


def free_port() -> int:
    """One that nobody has on loopback just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def wait_for(met: Callable[[], Any], what: str, timeout_s: float) -> Any:
    """What `met` returns, once that is true. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := met():
            return found
        time.sleep(LOOK_EVERY_S)
    raise TimeoutError(f"{what} did not happen within {timeout_s:g} s")


def _stat(entry: Path) -> list[str]:
    """The fields of /proc/PID/stat from the state on: the name before them may hold anything."""
    return (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
