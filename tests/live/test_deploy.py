"""The proxies' configurations that this repository carries, each with the real program in front of a real fleet."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.fleet import ROOT, Fleet, free_port, serving, wait_for

DEPLOY = ROOT / "config" / "deploy"


def needs(program: str) -> pytest.MarkDecorator:
    """CI installs it, and there its absence is a failure; elsewhere the test is left out where it is missing."""
    is_missing = not shutil.which(program) and not os.environ.get("CI")
    return pytest.mark.skipif(is_missing, reason=f"{program} is not installed")


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
    proxy = Fleet(process, port, fleet.log_path)
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
