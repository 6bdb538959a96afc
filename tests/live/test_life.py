"""Birth and death: what stops a start, what survives a worker's end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from app import encoder
from app.encoder import Checkpoint, describing
from tests.hub import COMMIT, REPOSITORY
from tests.hub import serving as hub_serving
from tests.kit.fleet import GUNICORN, environment, serving, wait_for
from tests.kit.places import ROOT
from tests.kit.session import free_port, is_running


def refused_start(**environ: str) -> str:
    """What a start that must fail prints; checks that it ends with an error and never listens."""
    port = free_port()
    clean = environment(port, WEB_CONCURRENCY="2", **environ)
    ran = subprocess.run(GUNICORN, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=120)
    assert ran.returncode != 0
    printed = ran.stderr
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    assert "Traceback" not in printed
    assert '"listening"' not in printed
    return printed


def told_at_the_end(printed: str) -> list[str]:
    """The sentences of the lines that end a start; there is nothing but lines of the log."""
    lines = [json.loads(line) for line in printed.splitlines()]
    assert {line["event"] for line in lines} <= {"starting", "waiting for an address", "start refused"}
    return [line["error"] for line in lines if line["event"] == "start refused" and line["level"] == "critical"]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("BERT_MODLE", "x", "BERT_MODLE is no setting of serve-bert; did you mean BERT_MODEL?"),
        ("BERT_MAX_TOKENS", "5000", "BERT_MAX_TOKENS: 5000 is more than the model's own limit"),
        ("BERT_MODEL", "/no/such/model", "BERT_MODEL: '/no/such/model' is no directory"),
        ("BERT_MODEL_SHA256", "0" * 64, f"but {'0' * 64} is expected"),
    ],
)
def test_what_cannot_be_served_stops_the_start_in_one_line(name: str, value: str, sentence: str) -> None:
    (sentence_told,) = told_at_the_end(refused_start(**{name: value}))
    assert sentence in sentence_told


def test_an_engine_that_cannot_do_it_stops_the_start() -> None:
    refused = refused_start(BERT_ENGINE="sentence-transformers", BERT_PRECISION="bfloat16")
    assert "BERT_PRECISION: 'bfloat16' cannot be used" in refused


@pytest.mark.parametrize("engine", ["auto", pytest.param("sentence-transformers", marks=pytest.mark.long)])
def test_a_model_that_computes_wrongly_never_serves(checkpoint: Checkpoint, tmp_path: Path, engine: str) -> None:
    """The reference is said to give other vectors for these very files."""
    model, cache = tmp_path / "model", tmp_path / "cache"
    shutil.copytree(checkpoint.directory, model)
    (model / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')  # no model that we know
    describing.obtain(encoder.verify(str(model)), cache)
    (kept,) = cache.glob("*-described-*.json")
    said = json.loads(kept.read_text())
    kept.write_text(json.dumps(said | {"vectors": said["vectors"][::-1]}))
    environ = environment(
        free_port(), WEB_CONCURRENCY="2", BERT_MODEL=str(model), BERT_ENGINE=engine, BERT_CACHE=str(cache)
    )
    ran = subprocess.run(GUNICORN, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120)
    assert ran.returncode != 0
    assert "this worker's vectors are not sentence-transformers'" in ran.stderr
    assert "worker ready" not in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_successor_that_cannot_load_leaves_the_others_alone(checkpoint: Checkpoint, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(checkpoint.directory, model)
    with serving(workers=2, BERT_MODEL=str(model)) as fleet:
        (model / "model.safetensors").rename(model / "elsewhere")
        killed = fleet.workers()[0]
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: fleet.events("model refused"), "a refused successor")
        assert fleet.ask("/predict", {"text": "still here"}).status == 200
        (model / "elsewhere").rename(model / "model.safetensors")
        wait_for(lambda: len(fleet.events("worker ready")) == 3, "a successor that can load")
        assert fleet.metric("bert_workers_ready") == 2


def test_a_port_in_use_is_told(checkpoint: Checkpoint) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environ = environment(taken.getsockname()[1], WEB_CONCURRENCY="1")
        ran = subprocess.run(GUNICORN, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 1
    said = told_at_the_end(ran.stderr)
    waited = [line for line in map(json.loads, ran.stderr.splitlines()) if line["event"] == "waiting for an address"]
    assert len(waited) == 1
    assert said == [f"cannot listen on 127.0.0.1:{environ['PORT']}: it is in use; PORT names another"]


def test_killed_workers_come_back_and_the_metrics_stay_right() -> None:
    with serving(workers=3) as fleet:
        for number in range(30):
            assert fleet.ask("/predict", {"text": f"text {number}"}).status == 200
        served = 'bert_requests_total{method="POST",route="/predict",status="200"}'
        assert fleet.metric(served) == 30
        killed = fleet.workers()[:2]
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not any(map(is_running, killed)), "the kill")
        wait_for(lambda: len(fleet.events("worker ready")) == 5, "two successors ready")
        assert fleet.metric("bert_workers_ready") == 3
        assert fleet.metric(served) == 30, "counters outlive their worker"
        for number in range(30):
            assert fleet.ask("/predict", {"text": f"text {number}"}).status == 200
        assert fleet.metric(served) == 60
        assert {line["slot"] for line in fleet.events("worker ready")} == {0, 1, 2}


def test_hup_takes_a_new_configuration_and_a_bad_one_leaves_the_old(tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text("max_texts = 5")
    with serving(workers=2, BERT_CONFIG=str(config)) as fleet:
        assert fleet.ask("/info").json["limits"]["max_texts"] == 5
        config.write_text("max_texts = 6")
        fleet.reload()
        assert fleet.ask("/info").json["limits"]["max_texts"] == 6
        config.write_text("max_txets = 7")
        workers = fleet.workers()
        assert "max_txets is no setting" in fleet.refused_reload()["reason"]
        assert fleet.workers() == workers
        assert fleet.ask("/info").json["limits"]["max_texts"] == 6


def test_a_stalled_client_does_not_keep_an_old_worker_for_good() -> None:
    with serving(workers=1, BERT_GRACEFUL_TIMEOUT_S="2") as fleet:
        old = fleet.workers()[0]
        with socket.create_connection(("127.0.0.1", fleet.port)) as client:
            client.sendall(
                b"POST /predict HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
            )
            time.sleep(0.5)
            os.kill(fleet.master_pid, signal.SIGHUP)
            wait_for(lambda: not is_running(old), "the old worker's end", timeout_s=30)
        assert fleet.ask("/predict", {"text": "Hello"}).status == 200


def test_a_reload_with_a_spoilt_model_does_not_end_the_master(checkpoint: Checkpoint, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(checkpoint.directory, model)
    weights = model / "model.safetensors"
    with serving(workers=2, BERT_MODEL=str(model)) as fleet:
        weights.rename(model / "elsewhere")
        weights.write_bytes(b"no weights")
        told = fleet.refused_reload()
        assert "model.safetensors" in told["reason"], "what is wrong stands in that very line"
        assert "frames" not in told
        weights.unlink()
        (model / "elsewhere").rename(weights)
        fleet.reload()
        assert fleet.ask("/predict", {"text": "served again"}).status == 200


@pytest.mark.long
def test_a_reload_asks_the_reference_about_changed_files(checkpoint: Checkpoint, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(checkpoint.directory, model)
    with serving(workers=2, BERT_MODEL=str(model), BERT_CACHE=str(tmp_path / "cache")) as fleet:
        before = fleet.ask("/info").json
        (model / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')
        fleet.reload()
        after = fleet.ask("/info").json
    assert (before["max_tokens"], after["max_tokens"]) == (256, 128)
    assert before["fingerprint"] != after["fingerprint"]
    assert before["proof"] == after["proof"] != ""


def test_a_fleet_serves_a_model_from_the_hub(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with hub_serving(checkpoint.directory, token="let-me-in") as hub:
        environ: dict[str, Any] = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path),
            "HF_TOKEN": "let-me-in",
            "HF_HUB_OFFLINE": "0",
        }
        with serving(workers=1, BERT_MODEL=f"{REPOSITORY}@v1", **environ) as fleet:
            info = fleet.ask("/info").json
            assert (info["revision"], info["sha256"]) == (COMMIT, checkpoint.sha256)
            assert fleet.ask("/predict", {"text": "Hello"}).status == 200
            assert "let-me-in" not in fleet.log()


def test_secrets_are_masked_at_boot_and_command_line_flags_hold() -> None:
    command = [*GUNICORN, "--workers", "1", "--threads", "2"]
    with serving(workers=1, command=command, BERT_API_KEY="hunter2", BERT_MAX_TEXTS="5") as fleet:
        (facts,) = fleet.events("boot")
        assert facts["settings"]["api_key"] == "******** (BERT_API_KEY)"
        assert facts["settings"]["max_texts"] == "5 (BERT_MAX_TEXTS)"
        assert facts["threads_per_worker"] == 2
        assert fleet.ask("/predict", {"text": "a"}).status == 401
        assert fleet.ask("/predict", {"text": "a"}, Authorization="Bearer hunter2").status == 200
        assert "hunter2" not in fleet.log()
