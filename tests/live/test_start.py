"""Every environment and folder that a fleet is started in: it serves, or says in one line why not."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kit.fleet import GUNICORN, environment, serving
from tests.kit.places import ROOT
from tests.kit.session import free_port

COMMAND = [sys.executable, "-m", "app"]
SERVICE = {
    "BERT_SERVICE_HOST": "10.96.0.17",
    "BERT_PORT": "tcp://10.96.0.17:80",
    "BERT_PORT_80_TCP_ADDR": "10.96.0.17",
    "BERT_API_PORT": "tcp://10.96.0.18:80",
}
EMPTY = {"BERT_MODEL": "", "BERT_API_KEY": "", "BERT_CONFIG": "", "HOST": ""}
CLOSED = ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-']


def test_what_platforms_set_is_passed_over(tmp_path: Path) -> None:
    """A Service named bert, what Compose leaves empty, somebody's folder of metrics, a setting that is retired."""
    theirs: dict[str, Any] = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "BERT_METRICS_DIR": str(tmp_path)}
    with serving(workers=2, **(SERVICE | EMPTY | theirs)) as fleet:
        assert fleet.ask("/predict", {"text": "Hello"}).status == 200
        assert fleet.metric('bert_requests_total{method="POST",route="/predict",status="200"}') == 1
        assert fleet.metric("bert_requests_total") == 2, "those two, and no rehearsed one"
        assert list(tmp_path.iterdir()) == []
        assert fleet.events("BERT_METRICS_DIR does nothing any more")


@pytest.mark.parametrize(("given", "workers"), [("", 10), ("auto", len(os.sched_getaffinity(0)))])
def test_worker_numbers_that_are_none(given: str, workers: int) -> None:
    """gunicorn's own command cannot read these; `make run` is ours."""
    with serving(workers=workers, command=COMMAND, WEB_CONCURRENCY=given) as fleet:
        assert fleet.ask("/info").json["workers"] == workers


def test_a_fleet_without_standard_streams(tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen([*CLOSED, *GUNICORN], cwd=ROOT, env=environment(port, WEB_CONCURRENCY="1"))
    try:
        for _ in range(600):
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                    client.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
                    assert client.recv(100).startswith(b"HTTP/1.0 200")
                break
            except ConnectionRefusedError:
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(0.1)
        else:
            raise AssertionError("it never listened")
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_settings_with_a_wrong_name_are_one_line() -> None:
    ran = subprocess.run(
        [*COMMAND, "settings"],
        cwd=ROOT,
        env=environment(0, BERT_MODLE="x"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "serve-bert: BERT_MODLE is no setting of serve-bert; did you mean BERT_MODEL?\n"


REFUSED_CALLS = """
import os, sys
def refused(*_): raise PermissionError(1, "Operation not permitted")
os.memfd_create = os.sched_getaffinity = refused
"""


@pytest.mark.skipif(bool(os.environ.get("TEST_ENGINE")), reason="torch itself asks which cores it may use")
def test_calls_that_a_sandbox_refuses(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(REFUSED_CALLS)
    unwritable = "/proc/none"
    with serving(workers=1, PYTHONPATH=str(tmp_path), BERT_CACHE=unwritable) as fleet:
        assert fleet.ask("/predict", {"text": "Hello"}).status == 200
        (facts,) = fleet.events("boot")
        if facts["engine"] == "native":
            assert facts["packed"].startswith("a temporary file")


@pytest.mark.parametrize("flags", [["--chdir", str(ROOT)], ["--pythonpath", str(ROOT)], ["--preload"]])
def test_gunicorn_in_another_folder_says_what_to_type(tmp_path: Path, flags: list[str]) -> None:
    """It has not read our configuration: it would serve by its own defaults."""
    where = ["--chdir", str(ROOT), *flags] if flags == ["--preload"] else flags
    port = free_port()
    ran = subprocess.run(
        [GUNICORN[0], *where, "-b", f"127.0.0.1:{port}", "app:create_app()"],
        cwd=tmp_path,
        env=environment(port),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode != 0
    said = {line.removeprefix("Error: ") for line in ran.stderr.splitlines() if "serve-bert:" in line}
    (sentence,) = said
    assert f"Type: cd {ROOT} && .venv/bin/gunicorn 'app:create_app()'" in sentence
    assert "Traceback" not in ran.stderr


def test_gunicorn_in_another_folder_with_our_configuration(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("raise SystemExit('theirs')")
    with serving(
        workers=2, command=[GUNICORN[0], "-c", str(ROOT / "gunicorn.conf.py"), GUNICORN[1]], cwd=tmp_path
    ) as fleet:
        assert fleet.ask("/predict", {"text": "Hello"}).status == 200


def test_in_another_server_it_serves_and_says_once_what_is_missing(tmp_path: Path) -> None:
    code = (
        "from app import create_app, settings\n"
        "print(create_app().test_client().get('/readyz').status_code)\n"
        "print(create_app(settings.load()).test_client().post('/predict', json={'text': 'a'}).json['error'])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(0),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    status, sentence = ran.stdout.splitlines()
    assert status == "200"
    assert sentence == (
        "no model was loaded, for no fleet of ours forked this server; the command `serve-bert` starts one"
    )
    assert [json.loads(line)["event"] for line in ran.stderr.splitlines()].count(
        f"no process model of ours: metrics speak for one process, and a reload is yours. "
        f"A fleet: cd {ROOT} && .venv/bin/gunicorn 'app:create_app()'"
    ) == 1


def test_keys_from_a_file_are_read_again_at_a_reload(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("first\n")
    with serving(workers=2, BERT_API_KEY_FILE=str(keys)) as fleet:
        assert not fleet.events("rehearsed requests were not all answered")
        assert fleet.ask("/predict", {"text": "a"}, Authorization="Bearer first").status == 200
        keys.write_text("second\n")
        fleet.reload()
        assert fleet.ask("/predict", {"text": "a"}, Authorization="Bearer first").status == 401
        assert fleet.ask("/predict", {"text": "a"}, Authorization="Bearer second").status == 200
        keys.write_text("")
        assert "there is no key in" in fleet.refused_reload()["reason"]
        assert fleet.ask("/predict", {"text": "a"}, Authorization="Bearer second").status == 200
        assert not [word for word in ("first", "second") if f'"{word}' in fleet.log()]
