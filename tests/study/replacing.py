"""A model replaced under load: in place, or with its processes; every answer held against the model that it names."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from tests.kit.session import children, wait_for

KEY = "the-study"
CLIENTS = 10
TEXTS = ("How do I reset my password?", "The weather is nice today", "Ten workers share nothing in Python. " * 8)
ALTERED_TENSOR, FACTOR = "encoder.layer.5.output.dense.weight", 0.5
# Another model's vector, or another text's, lies far below; bfloat16 far above.
LEAST_COSINE = 0.999
SWITCH_S = 90.0


@dataclass(frozen=True)
class Target:
    """A running service of ours."""

    port: int
    master_pid: int
    workers: int
    is_shared: bool
    config: Path
    """The TOML file that BERT_CONFIG names; it is written anew for each replacement."""

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own: status, headers with names in small letters, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            return exchange(connection, method, path, body)
        finally:
            connection.close()

    def fingerprint(self) -> str:
        """That of the model that answers."""
        found: str = json.loads(self.ask("GET", "/info")[2])["fingerprint"]
        return found

    def pids(self) -> set[int]:
        """The workers."""
        return set(children(self.master_pid))

    def is_all_new(self, before: set[int]) -> bool:
        """Whether every worker is another one, and says that it is ready."""
        with contextlib.suppress(OSError, http.client.HTTPException, StopIteration):
            lines = self.ask("GET", "/metrics")[2].decode().splitlines()
            ready = next(line.split()[1] for line in lines if line.startswith("bert_workers_ready "))
            return not before & self.pids() and float(ready) == self.workers
        return False


@dataclass
class Outcome:
    """What the clients saw."""

    times: int
    answers: dict[str, int] = field(default_factory=dict)
    """By the fingerprint that the answer named."""
    failed: dict[str, int] = field(default_factory=dict)
    mixed: int = 0
    """Answers with a vector that is not of the model that they name."""
    took_s: float = 0.0
    longest_s: float = 0.0
    """The longest that a replacement took, until it was acknowledged, or every process was a new one."""


def altered(model: Path, folder: Path) -> Path:
    """A copy of a model with other weights in one layer, and so with other vectors."""
    shutil.copytree(model, folder)
    weights = load_file(folder / "model.safetensors")
    weights[ALTERED_TENSOR] = weights[ALTERED_TENSOR] * np.float32(FACTOR)
    (folder / "model.safetensors").unlink()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def name_model(config: Path, model: Path) -> None:
    """Have the configuration name a model; renamed into place, so that no reader sees half of it."""
    partial = config.with_suffix(".partial")
    partial.write_text(f'model = "{model}"\n', encoding="utf-8")
    partial.replace(config)


def replace_under_load(target: Target, models: Sequence[Path], times: int) -> Outcome:
    """Replace the model so many times while ten clients ask; the two models in turn, beginning with the second."""
    expected = {}
    for model in (models[1], models[0]):
        _replace(target, model)
        expected[target.fingerprint()] = _vectors(target)
    if len(expected) < 2 or _is_near(*expected.values()):
        raise RuntimeError("the two models give the same vectors: nothing would be seen")
    begun_s = time.monotonic()
    outcome, stop, lock = Outcome(times), threading.Event(), threading.Lock()
    clients = [
        threading.Thread(target=_client, args=(target, expected, outcome, stop, lock), daemon=True)
        for _ in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    try:
        for number in range(times):
            began_s = time.monotonic()
            _replace(target, models[(number + 1) % 2])
            outcome.longest_s = max(outcome.longest_s, time.monotonic() - began_s)
            time.sleep(0.1)
    finally:
        stop.set()
        for client in clients:
            client.join(90)
    outcome.took_s = time.monotonic() - begun_s
    if any(client.is_alive() for client in clients):
        _count(outcome.failed, "a client that never got its answer")
    return outcome


def _client(
    target: Target, expected: dict[str, np.ndarray], outcome: Outcome, stop: threading.Event, lock: threading.Lock
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=60)
    while not stop.is_set():
        try:
            status, headers, body = exchange(connection, "POST", "/predict", {"text": TEXTS})
            named, is_right = headers.get("x-model-fingerprint", "none"), False
            if status == 200:
                is_right = _is_of(body, expected.get(named))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer, and the next is asked for
            connection.close()
            with lock:
                _count(outcome.failed, type(error).__name__)
            continue
        with lock:
            if status == 200:
                _count(outcome.answers, named)
                outcome.mixed += not is_right
            else:
                _count(outcome.failed, f"status {status}")
    connection.close()


def _count(seen: dict[str, int], what: str) -> None:
    seen[what] = seen.get(what, 0) + 1


def _is_of(body: bytes, expected: np.ndarray | None) -> bool:
    """Whether every vector of an answer is this model's."""
    return expected is not None and _is_near(_rows(body), expected)


def _is_near(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(((one * other).sum(axis=1) >= LEAST_COSINE).all())


def _rows(body: bytes) -> np.ndarray:
    return np.array(json.loads(body)["embeddings"], np.float32)


def _vectors(target: Target) -> np.ndarray:
    return _rows(target.ask("POST", "/predict", {"text": TEXTS})[2])


def _replace(target: Target, model: Path) -> None:
    """Returns once requests that begin from now on meet this model."""
    name_model(target.config, model)
    if target.is_shared:
        status, _, body = target.ask("POST", "/admin/reload")
        if status != 200:
            raise RuntimeError(f"/admin/reload answered {status}: {body.decode()}")
        return
    before = target.pids()
    os.kill(target.master_pid, signal.SIGHUP)
    wait_for(lambda: target.is_all_new(before), "new processes", SWITCH_S)


def exchange(
    connection: http.client.HTTPConnection, method: str, path: str, body: Any = None
) -> tuple[int, dict[str, str], bytes]:
    """One request and its answer, JSON both ways, with the key."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
