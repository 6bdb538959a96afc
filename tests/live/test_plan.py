"""`serve-bert plan` as it is typed: a real fleet, measured; nothing of it is left, however the command ends."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.capacity.clients import Clients
from app.errors import MeasuringError
from tests.kit.places import ROOT
from tests.kit.service import environment
from tests.kit.session import Session, children, is_running, wait_for

pytestmark = pytest.mark.long
COMMAND = [sys.executable, "-m", "app", "plan", "--rate=50", "--tokens=22"]
TIMEOUT_S = 120
# Of each of the default model's 6 layers: 4 of 384 × 384, and 2 of 384 × 1536.
MATRICES = 6 * (4 * 384 * 384 + 2 * 384 * 1536)


def planned(*flags: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command, env = [*COMMAND, *flags], environment() | environ
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def test_figures_for_programs_and_settings_of_their_own() -> None:
    others = {"BERT_API_KEY": "secret", "PORT": "1", "WEB_CONCURRENCY": "7", "BERT_STATE": "shared"}
    limits = {"BERT_MAX_CHARS": "10", "BERT_MAX_TEXTS": "1", "BERT_LOG_LEVEL": "error"}
    ran = planned("--json", **others, **limits, BERT_PRECISION="float32")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    measured, forecast = found["measured"], found["forecast"]
    assert (measured["precision"], measured["tokens"], forecast["rate_per_s"]) == ("float32", 22, 50)
    assert measured["cores"] == len(os.sched_getaffinity(0)) == forecast["cores"]
    assert measured["requests_per_s"] == pytest.approx(1e3 / measured["cpu_ms"])
    assert 0 < measured["forward_ms"] < measured["cpu_ms"] * 2
    assert 0 < measured["alone_p99_ms"] <= forecast["p99_ms"]
    assert 4_000 < measured["answer_bytes"] < 8_000
    assert measured["weights_bytes"] == pytest.approx(4 * MATRICES, rel=0.01), "of float32, without the tables"
    assert 20_000_000 < forecast["memory_bytes"] < 500_000_000


def test_words_for_people_and_a_latency_that_cannot_be() -> None:
    ran = planned("--p99=0.001", "--model-sha256=")
    assert ran.returncode == 1
    assert "No number of replicas will do" in ran.stderr
    assert "replicas" not in ran.stdout
    ran = planned("--cores=8")
    assert ran.returncode == 0, ran.stderr
    for words in ("This machine, texts of 22 tokens", "requests/s", "8 cores and 8 workers", "Computed from sizes"):
        assert words in ran.stdout


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--tokens=257",), "--tokens 257: the model takes 256 at most"),
        (("--tokens=2",), "--tokens 2: no text has 2 tokens, special ones included"),
        (("--model=/nowhere",), "'/nowhere' is no directory"),
        (("--rate=0",), "is not in the range"),
        (("--rate=inf",), "inf is no number to count with"),
        (("--p99=nan",), "nan is no number to count with"),
        (("--port=9000",), "No such option"),
    ],
)
def test_what_cannot_be_ends_it_with_a_sentence(flags: tuple[str, ...], words: str) -> None:
    ran = planned(*flags)
    assert ran.returncode
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_or_killed_it_leaves_nothing_behind(number: int, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        session = Session(COMMAND, environment(), ROOT, log)
    try:
        fleet, workers = wait_for(lambda: _fleet_of(session.pid), "a fleet", TIMEOUT_S)
        os.kill(session.pid, number)
        assert session.process.wait(TIMEOUT_S)
        wait_for(lambda: not any(map(is_running, [fleet, *workers])), "the end of the fleet", TIMEOUT_S)
    finally:
        assert not session.end(20)


def _fleet_of(pid: int) -> tuple[int, list[int]] | None:
    """The master that the command started, which heads a session of its own, and its workers."""
    for child in children(pid):
        if os.getsid(child) == child and len(workers := children(child)) >= 2:
            return child, workers
    return None


def test_a_client_that_is_refused_says_so() -> None:
    clients = Clients(1, 1, [b""])
    wait_for(lambda: not multiprocessing.active_children(), "its end", TIMEOUT_S)
    with pytest.raises(MeasuringError, match=r"a client: .*refused"):
        clients.stop()
    clients.close()
