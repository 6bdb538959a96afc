"""Who holds the model, behind which lock: one process for all threads, or each worker its own; replaced under load."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from app.encoder import Checkpoint
from tests.kit.fleet import GUNICORN, Fleet, environment, serving, wait_for
from tests.kit.places import ROOT
from tests.kit.session import free_port
from tests.study.replacing import KEY, Target, altered, name_model, replace_under_load

AUTHORIZED: dict[str, Any] = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="session")
def models(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The default model, and the same with other weights in one layer."""
    return [checkpoint.directory, altered(checkpoint.directory, tmp_path_factory.mktemp("altered") / "model")]


@pytest.fixture
def config(tmp_path: Path, models: list[Path]) -> Path:
    name_model(tmp_path / "own.toml", models[0])
    return tmp_path / "own.toml"


@contextmanager
def holding(config: Path, state: str, lock: str, workers: int) -> Iterator[tuple[Fleet, Target]]:
    environ: dict[str, Any] = {"BERT_CONFIG": str(config), "BERT_API_KEY": KEY, "BERT_STATE": state, "BERT_LOCK": lock}
    with serving(workers=workers, **environ) as fleet:
        yield fleet, Target(fleet.port, fleet.master_pid, workers, state == "shared", config)


@pytest.mark.parametrize("lock", ["none", pytest.param("rwlock", marks=pytest.mark.long)])
def test_one_process_replaces_its_model_in_place(config: Path, models: list[Path], lock: str) -> None:
    with holding(config, "shared", lock, 1) as (fleet, target):
        info = json.loads(target.ask("GET", "/info")[2])
        assert [info[name] for name in ("state", "lock", "workers", "threads")] == ["shared", lock, 1, 10]
        before = target.pids()
        outcome = replace_under_load(target, models, times=2)
        assert (outcome.failed, outcome.mixed, len(outcome.answers)) == ({}, 0, 2)
        assert target.pids() == before, "the process went on"
        assert not fleet.events("unforeseen")


def test_ten_threads_answer_at_once(config: Path) -> None:
    """Ten requests that take long are all begun before the first is done."""
    with holding(config, "shared", "none", 1) as (fleet, target):
        texts = [f"{number} " + "word " * 200 for number in range(60)]
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: target.ask("POST", "/predict", {"text": texts})[0], range(10)))
        assert answers == [200] * 10
        lines = [line for line in fleet.events("request") if line["route"] == "/predict"]
        ends = [datetime.fromisoformat(line["timestamp"]).timestamp() for line in lines]
        starts = [end - line["total_ms"] / 1e3 for end, line in zip(ends, lines, strict=True)]
        assert len(lines) == 10
        assert max(starts) < min(ends)


@pytest.mark.long
def test_each_worker_takes_its_lock_and_is_replaced(config: Path, models: list[Path]) -> None:
    with holding(config, "per-worker", "rwlock", 2) as (_, target):
        assert json.loads(target.ask("GET", "/info")[2])["lock"] == "rwlock"
        outcome = replace_under_load(target, models, times=1)
        assert (outcome.failed, outcome.mixed, len(outcome.answers)) == ({}, 0, 2)
        assert target.ask("POST", "/admin/reload")[0] == 404, "only where one process holds the model"


@pytest.mark.long
def test_hup_replaces_the_one_process_too(config: Path, models: list[Path]) -> None:
    with holding(config, "shared", "rwlock", 1) as (_, target):
        before = target.pids()
        outcome = replace_under_load(replace(target, is_shared=False), models, times=1)
        assert (outcome.failed, outcome.mixed, len(outcome.answers)) == ({}, 0, 2)
        assert not before & target.pids()


def kill_and_wait(fleet: Fleet, target: Target) -> None:
    ready = len(fleet.events("worker ready"))
    os.kill(target.pids().pop(), signal.SIGKILL)
    wait_for(lambda: len(fleet.events("worker ready")) > ready, "a successor")


def hang_up(fleet: Fleet, target: Target) -> None:
    before = target.pids()
    os.kill(target.master_pid, signal.SIGHUP)
    wait_for(lambda: not before & target.pids() and fleet.metric("bert_workers_ready ") == 1, "a new process")


def test_what_was_put_in_place_stays_until_something_better_is_named(
    config: Path, models: list[Path], tmp_path: Path
) -> None:
    """A death, a reload that names no model and one with a slip: the successor has the model that served."""
    with holding(config, "shared", "none", 1) as (fleet, target):
        first = target.fingerprint()
        name_model(config, models[1])
        assert target.ask("POST", "/admin/reload")[0] == 200
        second = target.fingerprint()
        assert second != first
        name_model(config, models[0])  # for later: nobody has asked for it yet
        kill_and_wait(fleet, target)
        assert target.fingerprint() == second
        name_model(config, tmp_path / "nowhere")
        fleet.refused_reload()
        assert target.fingerprint() == second
        config.write_text("modle = 1")
        fleet.refused_reload()
        assert target.fingerprint() == second
        name_model(config, models[0])
        hang_up(fleet, target)
        assert target.fingerprint() == first
        kill_and_wait(fleet, target)
        assert target.fingerprint() == first


def test_a_death_when_the_new_files_are_gone_ends_nothing(config: Path, models: list[Path], tmp_path: Path) -> None:
    lost = shutil.copytree(models[1], tmp_path / "lost")
    with holding(config, "shared", "none", 1) as (fleet, target):
        first = target.fingerprint()
        name_model(config, lost)
        assert target.ask("POST", "/admin/reload")[0] == 200
        shutil.rmtree(lost)
        kill_and_wait(fleet, target)
        assert target.fingerprint() == first
        (told,) = fleet.events("successors get the model of the last plan")
        assert told["fingerprint"] == first


def test_a_model_that_is_refused_leaves_the_old_one(config: Path, tmp_path: Path) -> None:
    with holding(config, "shared", "rwlock", 1) as (fleet, target):
        before = target.fingerprint()
        name_model(config, tmp_path / "nowhere")
        status, _, body = target.ask("POST", "/admin/reload")
        assert status == 422
        assert json.loads(body)["error"].startswith(f"the old model stays: BERT_MODEL: '{tmp_path}/nowhere' is no dir")
        assert target.fingerprint() == before
        assert fleet.ask("/predict", {"text": "Hello"}, **AUTHORIZED).status == 200
        assert fleet.ask("/admin/reload", b"").status == 401


def test_one_process_stays_one() -> None:
    with serving(workers=1, BERT_STATE="shared") as fleet:
        assert fleet.ask("/admin/reload", b"").status == 404, "without a key there is no such path"
        os.kill(fleet.master_pid, signal.SIGTTIN)
        wait_for(lambda: fleet.events("BERT_STATE=shared is one process, and stays one"), "a warning")
        assert fleet.metric("bert_workers ") == 1
        assert len(fleet.workers()) == 1
        assert fleet.ask("/predict", {"text": "Hello"}).status == 200


def test_several_processes_cannot_share_a_model() -> None:
    environ = environment(free_port(), BERT_STATE="shared")
    command = [*GUNICORN, "-w", "4"]
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120)
    assert ran.returncode != 0
    assert "BERT_STATE=shared is one process, but 4 workers are asked for" in ran.stderr
    assert "Traceback" not in ran.stderr
