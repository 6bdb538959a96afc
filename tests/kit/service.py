"""A service under test: its processes, from the command to the last of them gone, and what they cost."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PROBE_EVERY_S = 0.02
READY_S = 90.0
# At rest it takes less than this part of a core.
REST_SHARE = 0.1
# Settings of the caller's own, and what would change how many threads a service takes.
FOREIGN = ("BERT_", "PROMETHEUS_", "MAKE", "OMP_", "MKL_", "GUNICORN_", "INFINITY_", "WEB_CONCURRENCY", "HOST", "PORT")


class ServiceFailedError(Exception):
    """It ended, or was not ready in time; says with which last words."""


class Service:
    """A command in a session of its own: whatever it forks belongs to it."""

    def __init__(self, command: list[str], environ: dict[str, str], folder: Path, log: Path, port: int) -> None:
        self.port = port
        self._log = log
        self.began_s = time.monotonic()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, cwd=folder, env=environment() | environ, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def age_s(self) -> float:
        """Seconds since the command."""
        return time.monotonic() - self.began_s

    def wait_until_ready(self, path: str) -> float:
        """Seconds from the command to the first 200 of the probe. Raises ServiceFailedError."""
        while time.monotonic() - self.began_s < READY_S:
            if self._process.poll() is not None:
                raise ServiceFailedError(f"ended at start: {self.last_words()}")
            if self.get(path, timeout_s=1.0)[0] == 200:
                return time.monotonic() - self.began_s
            time.sleep(PROBE_EVERY_S)
        raise ServiceFailedError(f"was not ready within {READY_S:.0f} s: {self.last_words()}")

    def get(self, path: str, timeout_s: float = 10.0) -> tuple[int, bytes]:
        """Status and body of a GET; 0 if there is no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def wait_until_idle(self, most_s: float, sample_s: float = 0.25) -> bool:
        """Whether its processes came to rest in time: workers loaded, requests of clients that are gone done with."""
        end_s = time.monotonic() + most_s
        while time.monotonic() < end_s:
            before = self.cpu_s()
            time.sleep(sample_s)
            if self.cpu_s() - before < REST_SHARE * sample_s:
                return True
        return False

    def pids(self) -> list[int]:
        """All processes of its session."""
        return [int(entry.name) for entry in Path("/proc").iterdir() if self._owns(entry)]

    def cpu_s(self) -> float:
        """Seconds of CPU that its processes have taken, and those that they have outlived."""
        ticks = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                ticks += sum(map(int, _stat(Path(f"/proc/{pid}"))[11:15]))
        return ticks / TICKS_PER_S

    @property
    def pid(self) -> int:
        """Its first process: gunicorn's master."""
        return self._process.pid

    def pss_mb(self) -> float:
        """Its memory: pages that several processes share are shared out among them."""
        return self._memory_mb("Pss:")

    def rss_mb(self) -> float:
        """Its memory as `ps` adds it up: pages that several processes share are counted for each."""
        return self._memory_mb("Rss:")

    def _memory_mb(self, kind: str) -> float:
        kib = 0
        for pid in self.pids():
            with contextlib.suppress(OSError, StopIteration):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
                kib += int(next(line for line in lines if line.startswith(kind)).split()[1])
        return kib / 1024

    def last_words(self) -> str:
        """The last line that it wrote."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"

    def stop(self, grace_s: float = 2.0) -> None:
        """TERM to all of it, KILL to what is left after the grace."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_s)
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def _owns(self, entry: Path) -> bool:
        with contextlib.suppress(OSError, IndexError):
            return entry.name.isdigit() and int(_stat(entry)[3]) == self._process.pid
        return False


def _stat(entry: Path) -> list[str]:
    """The fields of /proc/PID/stat from the state on: the name before them may hold anything."""
    return (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def environment() -> dict[str, str]:
    """This process's, less what would change a service; no service asks a hub for anything."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return mine | {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "NO_PROXY": "*"}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
