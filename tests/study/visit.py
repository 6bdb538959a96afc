"""One visit to one configuration: start, idle, whole vectors compared, loads, memory, stop; and its model replaced."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import numpy as np

from tests.kit.places import default_model
from tests.kit.service import Service, ServiceFailedError
from tests.kit.session import free_port
from tests.study.cells import Cell, Step, Visit, cell
from tests.study.columns import Column
from tests.study.load import counted
from tests.study.payloads import Payloads
from tests.study.plan import RISING, Plan
from tests.study.replacing import KEY, LEAST_COSINE, Outcome, Target, altered, exchange, name_model, replace_under_load

REST_S = 60.0
RISING_KIND = "short"


class WrongVectorsError(ServiceFailedError):
    """The configuration gives other vectors than it should."""


def visit(column: Column, number: int, plan: Plan, payloads: Payloads) -> Visit:
    """Measure one configuration once. Raises ServiceFailedError, WrongVectorsError."""
    with running(column) as service:
        ready_s = service.wait_until_ready(column.peer.ready_path)
        service.wait_until_idle(REST_S)
        info = json.loads(service.get("/info")[1]) if column.is_ours else {}
        cpu_idle = _idle_percent(service, plan.idle_s)
        rss_idle, pss_idle = service.rss_mb(), service.pss_mb()
        texts = payloads.sample(column, plan.checked)
        cosine = _least_cosine(column, texts, payloads, service.port, plan.clients)
        cells = {kind: _load(column, kind, plan, payloads, service) for kind in column.kinds}
        return Visit(
            column=column.name,
            round=number,
            ready_s=ready_s,
            cpu_percent_idle=cpu_idle,
            rss_mb_idle=rss_idle,
            pss_mb_idle=pss_idle,
            least_cosine=cosine,
            checked_texts=len(texts),
            cells=cells,
            steps=_rise(column, plan, payloads, service) if column.name in RISING else [],
            info={key: info[key] for key in ("engine", "precision", "isa", "fingerprint") if key in info},
            took_s=service.age_s,
        )


@contextmanager
def running(column: Column, **environ: str) -> Iterator[Service]:
    """The service, started as its column says; stopped whatever happens.

    What goes wrong while one speaks with it is raised as ServiceFailedError.
    """
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        own = {"HOST": "127.0.0.1", "PORT": str(port)} | column.peer.environ | environ
        service = Service(column.peer.command(port), own, column.peer.folder, Path(folder) / "log", port)
        try:
            yield service
        except (OSError, HTTPException, ValueError, KeyError, RuntimeError) as error:
            raise ServiceFailedError(f"{type(error).__name__}: {error}") from error
        finally:
            service.stop()


def replaced(column: Column, plan: Plan) -> Outcome:
    """Its model replaced under load, so many times as the plan wants. Raises ServiceFailedError."""
    workers = column.workers if column.is_shared or not plan.replacing_workers else plan.replacing_workers
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = [default_model().directory, altered(default_model().directory, folder / "altered")]
        config = folder / "own.toml"
        name_model(config, models[0])
        environ = {"BERT_CONFIG": str(config), "BERT_API_KEY": KEY, "WEB_CONCURRENCY": str(workers)}
        with running(column, **environ) as service:
            service.wait_until_ready(column.peer.ready_path)
            service.wait_until_idle(REST_S)
            target = Target(service.port, service.pid, workers, column.is_shared, config)
            return replace_under_load(target, models, plan.replacements)


def _idle_percent(service: Service, watched_s: float) -> float:
    before, began_s = service.cpu_s(), time.monotonic()
    time.sleep(watched_s)
    return 100 * (service.cpu_s() - before) / (time.monotonic() - began_s)


def _least_cosine(column: Column, texts: list[str], payloads: Payloads, port: int, clients: int) -> float:
    """Of whole vectors, asked by so many clients at once. Raises WrongVectorsError."""

    def cosine(text: str) -> float:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            status, _, body = exchange(connection, "POST", column.peer.path, column.peer.body([text]))
        finally:
            connection.close()
        if status != 200:
            raise ServiceFailedError(f"status {status}: {body[:200]!r}")
        vector = np.array(json.loads(body)["embeddings"][0], np.float64)
        return float(vector @ payloads.expected(text, column) / np.linalg.norm(vector))

    with ThreadPoolExecutor(clients) as pool:
        least = min(pool.map(cosine, texts))
    if not least >= LEAST_COSINE:
        raise WrongVectorsError(f"{column.name}: a vector's cosine to sentence-transformers' is {least:.5f}")
    return least


def _load(column: Column, kind: str, plan: Plan, payloads: Payloads, service: Service) -> Cell:
    requests = payloads.requests(kind, column, service.port)
    load = counted(service.port, requests, plan.clients, plan.requests_of(column), service.cpu_s)
    found = cell(load, plan.clients, rss_mb=service.rss_mb(), pss_mb=service.pss_mb())
    check(column, found)
    service.wait_until_idle(REST_S)
    return found


def _rise(column: Column, plan: Plan, payloads: Payloads, service: Service) -> list[Step]:
    requests = payloads.requests(RISING_KIND, column, service.port)
    steps = []
    for clients in plan.rising_clients:
        load = counted(service.port, requests, clients, max(plan.rising_requests, 2 * clients))
        found = cell(load, clients, rss_mb=0, pss_mb=0)
        check(column, found)
        steps.append(Step(clients, found.requests_per_s, found.p95_s, found.errors))
    return steps


def check(column: Column, found: Cell) -> None:
    """Raise WrongVectorsError if an answer under load was not the reference's."""
    if wrong := found.errors.get("wrong vector"):
        raise WrongVectorsError(f"{column.name}: {wrong} vectors under load are not sentence-transformers'")
