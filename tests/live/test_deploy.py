"""The proxies' configurations that this repository carries, each with the real program in front of a real fleet."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app import settings
from tests.kit.fleet import GUNICORN, Fleet, serving, wait_for
from tests.kit.places import ROOT
from tests.kit.session import free_port, is_running

DEPLOY = ROOT / "config" / "deploy"


def needs(program: str) -> pytest.MarkDecorator:
    """CI installs it, and there its absence is a failure; elsewhere the test is left out where it is missing."""
    is_missing = not shutil.which(program) and not os.environ.get("CI")
    return pytest.mark.skipif(is_missing, reason=f"{program} is not installed")


@needs("systemd-analyze")
def test_the_unit_is_sound_and_locked_up(tmp_path: Path) -> None:
    text = (DEPLOY / "serve-bert.service").read_text()
    command = re.search(r"^ExecStart=(\S+)$", text, flags=re.MULTILINE)
    assert command
    unit = tmp_path / "serve-bert.service"
    unit.write_text(text.replace(command[1], sys.executable))
    ran = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    security = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)]
    ran = subprocess.run(security, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    stops_s = int(re.findall(r"^TimeoutStopSec=(\d+)$", text, flags=re.MULTILINE)[0])
    assert stops_s > settings.load({}).graceful_timeout_s + 10
    names = re.findall(r"\b(BERT_[A-Z_]*[A-Z])\b", text)
    assert {name.removeprefix("BERT_").lower() for name in names} <= set(settings.FIELDS)


def test_a_service_manager_is_told_who_serves(tmp_path: Path) -> None:
    """By sd_notify(3): systemd ends what is left of a unit once its main process has gone."""
    told: list[dict[str, str]] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)

        def heard(name: str) -> dict[str, str] | None:
            with contextlib.suppress(BlockingIOError):
                while True:
                    lines = manager.recv(4096).decode().splitlines()
                    told.append(dict(line.split("=", 1) for line in lines))
            return next((one for one in told if name in one), None)

        with serving(workers=1, NOTIFY_SOCKET=str(tmp_path / "notify")) as fleet:
            wait_for(lambda: heard("READY"), "ready")
            told.clear()
            fleet.reload()
            wait_for(lambda: heard("READY"), "ready again")
            assert [min(one) for one in told] == ["MONOTONIC_USEC", "READY"]
            assert "RELOADING" in told[0]
            os.kill(fleet.master_pid, signal.SIGUSR2)
            wait_for(lambda: len(fleet.events("all workers ready")) == 3, "a successor")
            successor = fleet.events("all workers ready")[-1]["pid"]
            os.kill(fleet.master_pid, signal.SIGTERM)
            found = wait_for(lambda: heard("MAINPID"), "handed over")
            assert (found["MAINPID"], heard("STOPPING")) == (str(successor), None)
            assert fleet.process.wait(20) == 0
            os.kill(successor, signal.SIGTERM)
            wait_for(lambda: heard("STOPPING"), "the end")
            wait_for(lambda: not is_running(successor), "gone")


def kernel() -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))


# Refuses, as systemd's MemoryDenyWriteExecute, that memory be made executable: PR_SET_MDWE, <linux/prctl.h>.
DENY = "import ctypes, os, sys; assert not ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"


@pytest.mark.skipif(bool(os.environ.get("TEST_ENGINE")), reason="torch compiles code as it runs")
@pytest.mark.skipif(kernel() < (6, 3), reason="the kernel cannot")
def test_no_memory_becomes_executable_and_nothing_but_the_cache_is_written(tmp_path: Path) -> None:
    command = [sys.executable, "-c", DENY, *GUNICORN]
    with serving(workers=2, command=command, HOME="/proc/none", TMPDIR="/proc/none", BERT_CACHE=str(tmp_path)) as fleet:
        assert fleet.ask("/predict", {"text": "a"}).status == 200
        fleet.reload()
        assert fleet.ask("/predict", {"text": "a"}).status == 200
    assert list(tmp_path.glob("*.safetensors"))


@contextmanager
def in_front(fleet: Fleet, name: str, command: list[str], folder: Path, admin: int = 9100) -> Iterator[Fleet]:
    """The program, with our configuration on other ports; asked as if it were the fleet."""
    port, file = free_port(), folder / name
    text = (DEPLOY / name).read_text()
    for old, new in [("127.0.0.1:8000", fleet.port), ("127.0.0.1:8080", port)]:
        assert old in text
        text = text.replace(old, f"127.0.0.1:{new}")
    file.write_text(text.replace("port 9100", f"port {admin}"))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, str(file)], stdout=log, stderr=log, cwd=folder)
    proxy = fleet.at(port)
    try:
        wait_for(lambda: is_there(proxy), f"{name}: {(folder / 'log').read_text()}", timeout_s=20)
        yield proxy
    finally:
        process.terminate()
        process.wait(10)


def is_there(proxy: Fleet) -> bool:
    try:
        return proxy.ask("/livez").status == 200
    except OSError:
        return False


def check(proxy: Fleet, fleet: Fleet) -> None:
    """Answers, refusals and addresses pass through; what is not for the world does not."""
    first = proxy.ask("/predict", {"text": "Hello"}, X_Forwarded_For="6.6.6.6")
    assert (first.status, len(first.json["embeddings"][0])) == (200, 384)
    assert proxy.ask("/nosuch", b"a" * 300_000).status == 404
    assert proxy.ask("/predict", b"a" * 9_000_000).status == 413
    assert proxy.ask("/predict", {"text": "again"}).status == 200
    assert proxy.ask("/metrics").status == 404
    assert fleet.ask("/metrics").status == 200
    lines = [line for line in fleet.events("request") if line["route"] == "/predict" and line["status"] == 200]
    assert [line["client"] for line in lines] == ["6.6.6.6", "127.0.0.1"], "this machine may say for whom it asks"
    assert first.headers["X-Request-Id"] == lines[0]["request_id"]


@needs("nginx")
def test_nginx(tmp_path: Path) -> None:
    directives = f"daemon off; pid {tmp_path}/pid; error_log stderr;"
    with serving() as fleet:
        command = ["nginx", "-p", str(tmp_path), "-e", "stderr", "-g", directives, "-c"]
        with in_front(fleet, "nginx.conf", command, tmp_path) as proxy:
            check(proxy, fleet)


@needs("haproxy")
def test_haproxy(tmp_path: Path) -> None:
    admin = free_port()
    with serving(BERT_ADMIN_BIND=f"127.0.0.1:{admin}") as fleet:
        subprocess.run(["haproxy", "-c", "-f", str(DEPLOY / "haproxy.cfg")], check=True, capture_output=True)
        with in_front(fleet, "haproxy.cfg", ["haproxy", "-f"], tmp_path, admin) as proxy:
            check(proxy, fleet)
