"""A fleet of this machine for a measurement: on a free port of loopback, and gone with whoever measures."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from ..encoder import end_with_parent
from ..errors import ConfigurationError, MeasuringError
from ..fleet.metrics.processes import cpu_of_s
from ..names import CONFIG_NAME, environment_name, flag
from ..settings import FIELDS

# All other settings but the model's have their defaults, whatever the environment says.
SETTINGS = {*map(environment_name, FIELDS), CONFIG_NAME}
OURS = {"host": "127.0.0.1", "port": "0", "log_format": "json", "max_queue_ms": "0"}
READY = "all workers ready"
# The command, from where this module is, wherever this process was started; the working folder is not on the path.
START = """
import importlib, sys
sys.path.append(sys.argv[1])
importlib.import_module(sys.argv[2]).main(sys.argv[3:])
"""
HOME = Path(__file__).parents[2]
COMMAND = f"{__name__.split('.')[0]}.command"
END_S = 10.0
READ_BYTES = 1 << 16
LEAST_WAIT_S = 0.01


class Fleet:
    """From its start to its end; use it as a context manager.

    Raises ConfigurationError or MeasuringError if it does not start.
    """

    def __init__(self, model: Mapping[str, str], workers: int) -> None:
        """`model`: the settings of it that are not as by default, by their names."""
        chosen = dict(model) | OURS | {"workers": str(workers)}
        command = [sys.executable, "-P", "-c", START, str(HOME), COMMAND]
        command += [f"{flag(name)}={value}" for name, value in chosen.items()]
        self._log, writing = os.pipe()
        # No thread of ours runs that a fork could break.
        self._process = subprocess.Popen(  # noqa: S603
            command,
            env={name: value for name, value in os.environ.items() if name not in SETTINGS},
            stderr=writing,
            start_new_session=True,
            preexec_fn=_end_with_us,  # noqa: PLW1509
        )
        os.close(writing)
        self.boot: dict[str, Any] = {}
        """The line of its start: model, engine, precision, path, cores."""
        self.port = 0

    def __enter__(self) -> Self:
        try:
            self._await()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def read_log(self, until_s: float) -> None:
        """Take from its log, so that it never waits for us, until a time by time.monotonic."""
        while (left_s := until_s - time.monotonic()) > 0:
            if select.select([self._log], [], [], left_s)[0] and not os.read(self._log, READ_BYTES):
                raise MeasuringError("the fleet ended while it was measured")

    def cpu_s(self) -> float:
        """Processor time of the master and its workers."""
        master = self._process.pid
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        return sum(cpu_of_s(pid) for pid in (master, *map(int, children)))

    def get(self, path: str, body: object = None) -> bytes:
        """The body of an answer with 200. Raises MeasuringError, OSError."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            method, data = ("GET", None) if body is None else ("POST", json.dumps(body))
            connection.request(method, path, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise MeasuringError(f"{path}: {answer.status} {content[:300].decode(errors='replace')}")
        return content

    def end(self) -> None:
        """TERM, and KILL if it takes long."""
        end_s = time.monotonic() + END_S
        self._process.terminate()
        while self._process.poll() is None:
            if time.monotonic() > end_s:
                os.killpg(self._process.pid, signal.SIGKILL)
            with suppress(MeasuringError):
                self.read_log(time.monotonic() + LEAST_WAIT_S)
        os.close(self._log)

    def _await(self) -> None:
        with os.fdopen(os.dup(self._log), buffering=1) as lines:
            for line in lines:
                told = _event(line)
                if told["event"] == "boot":
                    self.boot = told
                elif told["event"] == "listening":
                    self.port = int(str(told["addresses"]).rpartition(":")[2])
                elif told["event"] == "start refused":
                    raise ConfigurationError(str(told["error"]))
                elif told["event"] == READY:
                    return
        raise MeasuringError("the fleet ended at its start")


def _end_with_us() -> None:
    end_with_parent(signal.SIGTERM)


def _event(line: str) -> dict[str, Any]:
    with suppress(ValueError):
        told = json.loads(line)
        if isinstance(told, dict) and "event" in told:
            return told
    return {"event": ""}
