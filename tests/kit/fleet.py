"""A real fleet on loopback: started as a user starts it, on a free port, and gone when the test is."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from subprocess import Popen
from typing import IO, Any

from tests.kit import session
from tests.kit.places import ROOT
from tests.kit.session import Session, children, free_port

GUNICORN = [str(Path(sys.executable).parent / "gunicorn"), "app:create_app()"]
START_S = 120
END_S = 20


@dataclass
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Fleet:
    """Its master and its workers, and what they say."""

    def __init__(self, running: Session, port: int, log_path: Path) -> None:
        self._session = running
        self.port = port
        self.log_path = log_path
        self.master_pid = running.pid

    @property
    def process(self) -> Popen[bytes]:
        """The first: the master, as long as there was no USR2, and no `make` before it."""
        return self._session.process

    def at(self, port: int) -> Fleet:
        """The same at another of its addresses."""
        return Fleet(self._session, port, self.log_path)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        whole = self.log().rpartition("\n")[0]  # the last line may be being written
        lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def workers(self) -> list[int]:
        """The master's children, youngest last."""
        return children(self.master_pid)

    def reload(self, port_after: int = 0) -> None:
        """HUP, and wait until only new workers serve, on another port if it says so."""
        before, wanted = set(self.workers()), self.metric("bert_workers ")
        seen = len(self.events("worker ready"))
        os.kill(self.master_pid, signal.SIGHUP)
        self.port = port_after or self.port
        wait_for(lambda: len(self.events("worker ready")) >= seen + wanted, "new workers ready")
        wait_for(lambda: not before & set(self.workers()), "old workers gone")
        wait_for(lambda: self.metric("bert_workers_ready") == wanted, "all of them ready")  # a HUP before may go on

    def refused_reload(self) -> dict[str, Any]:
        """HUP, and wait until it is refused; what is said then."""
        event = "reload refused"
        before = len(self.events(event))
        os.kill(self.master_pid, signal.SIGHUP)
        wait_for(lambda: len(self.events(event)) > before, "a refused reload")
        return self.events(event)[-1]

    def ask(self, path: str, body: Any = None, *, timeout_s: float = 60, **headers: str) -> Answer:
        """GET, or POST if there is a body: JSON, or bytes as they are."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            named.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(self.url + path, data, named)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout_s) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def metric(self, name: str) -> float:
        """The sum of a metric's samples; name may carry labels: `x_total{route="/"}` as printed, or its start."""
        lines = self.ask("/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def wait_for(met: Callable[[], Any], what: str, timeout_s: float = START_S) -> Any:
    """What `met` returns, once that is true. Raises TimeoutError."""
    return session.wait_for(met, what, timeout_s)


def environment(port: int, **environ: str) -> dict[str, str]:
    """This process's, less its own settings, with those given; `make test ENGINE=…` names the engine."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("BERT_", "PROMETHEUS_", "MAKE"))}
    engine = {"BERT_ENGINE": os.environ["TEST_ENGINE"]} if os.environ.get("TEST_ENGINE") else {}
    return mine | {"HOST": "127.0.0.1", "PORT": str(port), "NO_PROXY": "*"} | engine | environ


@contextmanager
def serving(workers: int = 2, command: list[str] | None = None, cwd: Path = ROOT, **environ: str) -> Iterator[Fleet]:
    """A fleet that is ready; afterwards, none of its processes is left."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        log_path = Path(folder) / "log"
        with log_path.open("wb") as log:
            running = _started(workers, port, environ, log, command or GUNICORN, cwd)
        fleet = Fleet(running, port, log_path)
        with _gone_afterwards(running):
            _wait_until_ready(fleet, workers)
            yield fleet


@contextmanager
def serving_unread(workers: int = 2, **environ: str) -> Iterator[tuple[Fleet, int]]:
    """A fleet that is ready, and the pipe that its log goes into, read up to there."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        running = _started(workers, port, environ, writing, GUNICORN, ROOT)
        os.close(writing)
        fleet = Fleet(running, port, Path(folder) / "log")
        try:
            with _gone_afterwards(running):
                wait_for(lambda: b"all workers ready" in read_log(fleet, reading), "a start")
                yield fleet, reading
        finally:
            os.close(reading)


def read_log(fleet: Fleet, reading: int) -> bytes:
    """Read what is in the pipe now; all that was read so far."""
    with fleet.log_path.open("ab") as file, contextlib.suppress(BlockingIOError):
        while data := os.read(reading, 1 << 16):
            file.write(data)
    return fleet.log_path.read_bytes()


def _started(
    workers: int, port: int, environ: dict[str, str], output: IO[bytes] | int, command: list[str], folder: Path
) -> Session:
    return Session(command, environment(port, **({"WEB_CONCURRENCY": str(workers)} | environ)), folder, output)


@contextmanager
def _gone_afterwards(running: Session) -> Iterator[None]:
    """TERM to all of its processes; KILL to what is left of them after 20 s, which is a failure."""
    try:
        yield
    finally:
        left = running.end(END_S)
    assert not left, f"still running: {left}"


def _wait_until_ready(fleet: Fleet, workers: int) -> None:
    def ready() -> bool:
        assert fleet.process.poll() is None, f"the fleet ended at start:\n{fleet.log()[-3000:]}"
        return bool(fleet.events("all workers ready"))

    wait_for(ready, "all workers ready")
    fleet.master_pid = fleet.events("all workers ready")[0]["pid"]
    assert len(fleet.workers()) == workers
