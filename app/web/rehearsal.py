"""Requests that the master answers to nobody, before it forks.

Python writes to code as it first runs: it specializes instructions and numbers the dictionaries and types that they
meet. Written before the fork, those pages stay shared; written by each worker, they are copied ten times (2.6 MB a
worker), and its first requests are slow.
"""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Any

import structlog
from flask import Flask

from ..encoder import Encoder
from ..fleet.board import own_readiness
from ..fleet.metrics import Metrics, in_row
from ..fleet.series import Store
from ..settings import Settings
from . import join_worker
from .services import Services

# Python 3.11 specializes a function after 8 calls, and an instruction a few runs later.
TIMES = 20
log = structlog.get_logger("serve-bert")
TEXT = b'"The ten workers share nothing in Python, and everything in the page cache."'
ASKED = (
    ("POST", "/predict", b'{"text": ' + TEXT + b"}"),
    ("POST", "/embed", b'{"inputs": "a"}'),
    ("POST", "/v1/embeddings", b'{"input": ["a"], "encoding_format": "base64"}'),
    ("GET", "/livez", b""),
)


def rehearse(app: Flask, settings: Settings, encoder: Encoder) -> None:
    """Answer some requests with metrics that nobody reads, and log nothing; then leave the application as it was."""
    statuses: set[str] = set()

    def started(status: str, *_: Any) -> Any:
        statuses.add(status)

    key = settings.api_key.split(",")[0].strip()
    try:
        with contextlib.redirect_stderr(io.StringIO()), in_row(Store(1), 0):
            join_worker(app, Services(settings, Metrics(), own_readiness(), encoder))
            for _ in range(TIMES):
                for asked in ASKED:
                    list(app(_environ(*asked, key), started))
    finally:
        del app.extensions[Services.NAME]
    if statuses != {"200 OK"}:
        log.warning("rehearsed requests were not all answered; workers will copy more pages", statuses=sorted(statuses))


def _environ(method: str, path: str, body: bytes, key: str) -> dict[str, Any]:
    """A request as a WSGI server hands it over (PEP 3333)."""
    return {
        "HTTP_AUTHORIZATION": f"Bearer {key}",
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "rehearsal",
        "SERVER_PORT": "0",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
