"""Clients as people have them, in five languages: each of them hears every refusal, and goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import requests

from tests.kit.fleet import Fleet

HERE = Path(__file__).parent / "clients"
STATUSES = [413, 404, 415, 200, 200]
PROGRAMS = {
    "fetch": ["node", str(HERE / "fetch.mjs")],
    "http.Agent": ["node", str(HERE / "agent.mjs")],
    "Java": ["java", str(HERE / "Client.java")],
    "Go": ["go", "run", str(HERE / "client.go")],
}
ASKS = [
    ("/predict", b"a" * 9_000_000, "application/json"),
    ("/nosuch", b"a" * 300_000, "application/json"),
    ("/predict", b"a" * 300_000, "text/plain"),
    ("/predict", b'{"text": "Hello"}', "application/json"),
    ("/predict", b'{"text": "Hello"}', "application/json"),
]


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_in_other_languages(fleet: Fleet, name: str) -> None:
    command = PROGRAMS[name]
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    environ = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    ran = subprocess.run([*command, fleet.url], capture_output=True, text=True, timeout=120, env=environ)
    assert list(map(int, ran.stdout.split())) == STATUSES, ran.stderr


def test_urllib(fleet: Fleet) -> None:
    assert [fleet.ask(path, body, Content_Type=kind).status for path, body, kind in ASKS] == STATUSES


def test_requests_in_one_session(fleet: Fleet) -> None:
    with requests.Session() as session:
        session.trust_env = False
        answers = [
            session.post(fleet.url + path, data=body, headers={"Content-Type": kind}) for path, body, kind in ASKS
        ]
        chunked = session.post(
            fleet.url + "/predict",
            data=(b" " * 100_000 for _ in range(90)),
            headers={"Content-Type": "application/json"},
        )
        again = session.post(fleet.url + "/predict", json={"text": "Hello"})
    assert [answer.status_code for answer in [*answers, chunked, again]] == [*STATUSES, 413, 200]
    assert all(answer.json() for answer in answers)


@pytest.mark.parametrize("flags", [[], ["--http2"], ["--http1.0"], ["-H", "Expect: 100-continue"]])
def test_curl(fleet: Fleet, flags: list[str], tmp_path: Path) -> None:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    for (path, body, kind), status in zip(ASKS, STATUSES, strict=True):
        file = tmp_path / "body"
        file.write_bytes(body)
        command = ["curl", "--noproxy", "*", "-sS", *flags, "-o", str(tmp_path / "answer"), "-w", "%{http_code}"]
        ran = subprocess.run(
            [*command, "-H", f"Content-Type: {kind}", "--data-binary", f"@{file}", fleet.url + path],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (ran.stdout, ran.stderr) == (str(status), "")
        assert (tmp_path / "answer").read_bytes().startswith(b"{")
