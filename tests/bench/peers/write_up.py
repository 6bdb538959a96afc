"""The write-up's Python service: FastAPI under `gunicorn --preload -w 10` with uvicorn's workers."""

from __future__ import annotations

from tests.bench.peers import Peer, gunicorn, model_environ, one_text_or_many


def peers() -> list[Peer]:
    """As published, with torch's default of a thread a core in each worker, and with one."""
    command = gunicorn("--preload", "-k", "uvicorn_worker.UvicornWorker", "write_up:app")
    return [
        Peer(
            key="fastapi-one-thread",
            name="FastAPI, one thread",
            command=command,
            body=one_text_or_many,
            environ=model_environ() | {"OMP_NUM_THREADS": "1"},
        ),
        Peer(
            key="fastapi-as-published",
            name="FastAPI as published",
            command=command,
            body=one_text_or_many,
            environ=model_environ(),
            scope="slow",
            in_quick=False,
        ),
    ]
