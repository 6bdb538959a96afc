"""A service under measurement, ours or another's: from the command to the first 200, and to rest."""

from __future__ import annotations

import http.client
import os
import time
from pathlib import Path

from tests.kit.session import Session

PROBE_EVERY_S = 0.02
READY_S = 90.0
END_S = 2.0
# At rest it takes less than this part of a core.
REST_SHARE = 0.1
# Settings of the caller's own, and what would change how many threads a service takes.
FOREIGN = ("BERT_", "PROMETHEUS_", "MAKE", "OMP_", "MKL_", "GUNICORN_", "INFINITY_", "WEB_CONCURRENCY", "HOST", "PORT")


class ServiceFailedError(Exception):
    """It ended, or was not ready in time; says with which last words."""


class Service(Session):
    """A session that listens on a port, and writes a log."""

    def __init__(self, command: list[str], environ: dict[str, str], folder: Path, log: Path, port: int) -> None:
        self.port = port
        self._log = log
        with log.open("wb") as output:
            super().__init__(command, environment() | environ, folder, output)

    def wait_until_ready(self, path: str) -> float:
        """Seconds from the command to the first 200 of the probe. Raises ServiceFailedError."""
        while self.age_s < READY_S:
            if self.process.poll() is not None:
                raise ServiceFailedError(f"ended at start: {self.last_words()}")
            if self.get(path, timeout_s=1.0)[0] == 200:
                return self.age_s
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

    def last_words(self) -> str:
        """The last line that it wrote."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"

    def stop(self) -> None:
        """TERM to all of it, KILL to what is left soon after."""
        self.end(END_S)


def environment() -> dict[str, str]:
    """This process's, less what would change a service; no service asks a hub for anything."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return mine | {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "NO_PROXY": "*"}
