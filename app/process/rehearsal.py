"""Requests that the master answers to nobody, before it forks.

Python writes to code as it first runs: it specializes instructions and numbers the dictionaries and types that they
meet. Written before the fork, those pages stay shared; written by each worker, they are copied ten times (2.6 MB a
worker), and its first requests are slow. So a loop is run as a worker runs it, with a client at the other end of a pair
of sockets.
"""

from __future__ import annotations

import contextlib
import io
import socket
import time
from dataclasses import replace
from typing import Any

import structlog

from ..fleet.metrics.register import Metrics
from ..fleet.metrics.rows import unseen
from ..keys import named
from ..request_errors import RequestError
from ..server.loop import Loop
from ..server.passing_on import Comer, Handing
from ..server.terms import Patience
from ..server.watch import Watch
from ..settings import Settings
from ..web import failures
from ..web.lean import App
from ..web.services import Services
from .terms import terms_of

# Python 3.11 specializes a function after 8 calls, and an instruction a few runs later.
TIMES = 20
PATIENCE_S = 5.0
ALL_WELL = {b"HTTP/1.1 200 OK"}
TEXT = b'"The ten workers share nothing in Python, and everything in the page cache."'
ASKED = (
    (b"POST", b"/predict", b'{"text": ' + TEXT + b"}"),
    (b"POST", b"/embed", b'{"inputs": "a"}'),
    (b"POST", b"/v1/embeddings", b'{"input": ["a"], "encoding_format": "base64"}'),
    (b"GET", b"/livez", b""),
)
log = structlog.get_logger("serve-bert")


class Stage:
    """See `server.terms.Host`: the application, as a worker has it."""

    is_serving = True
    is_draining = False
    has_siblings = False

    def __init__(self, app: App, metrics: Metrics) -> None:
        self.wsgi = app
        self.metrics = metrics
        self.routes = app.paths

    def count_request(self) -> None:
        """Nobody counts."""

    def allow(self, _origin: str) -> tuple[()]:
        """Nobody is refused."""
        return ()

    def tell(self, path: str, error: RequestError, request_id: str) -> bytes:
        """See `Host`."""
        return failures.told(path, error, request_id)


def rehearse(app: App, configuration: Any) -> None:
    """Answer some requests whose metrics nobody reads, and log nothing. The application must have its model.

    `configuration`: gunicorn's.
    """
    services: Services = app.extensions[Services.NAME]
    statuses: set[bytes] = set()
    terms = replace(
        terms_of(configuration, services.settings, app),
        threads=1,
        # The client asks again on a connection, and stands behind no proxy.
        patience=Patience(PATIENCE_S, PATIENCE_S),
        proxy_protocol="off",
    )
    handing = Handing()
    loop = Loop(Stage(app, services.metrics), [], terms, Watch(0), handing)
    try:
        with contextlib.redirect_stderr(io.StringIO()), unseen():
            for number in range(TIMES):
                statuses |= _ask(loop, handing, services.settings, again=bool(number % 2))
                if statuses != ALL_WELL:
                    break  # each that is not answered takes PATIENCE_S of the start
    finally:
        loop.close()
        handing.close()
    if statuses != ALL_WELL:
        shown = sorted(status.decode("latin-1") for status in statuses)
        log.warning("rehearsed requests were not all answered", statuses=shown)


def _ask(loop: Loop, handing: Handing, settings: Settings, *, again: bool) -> set[bytes]:
    """Each question on a connection of its own, or all on one; the first lines of the answers."""
    _, key = (named(settings.api_key) or [("", b"")])[0]
    statuses: set[bytes] = set()
    with contextlib.ExitStack() as clients:
        client: socket.socket | None = None
        for method, path, body in ASKED:
            client = client if client and again else clients.enter_context(_client(handing))
            client.sendall(
                b"%s %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: rehearsal\r\nAccept: */*\r\n"
                b"Authorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (method, path, key, len(body), body)
            )
            statuses.add(_answer(loop, client).partition(b"\r\n")[0])
    loop.turn(0)
    return statuses


def _client(handing: Handing) -> socket.socket:
    """One who is waiting to be let in."""
    client, server = socket.socketpair()
    client.settimeout(0)
    handing.give_unread(Comer(server, ("127.0.0.1", "1")))
    server.close()
    return client


def _answer(loop: Loop, client: socket.socket) -> bytes:
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        loop.turn(0)
        with contextlib.suppress(BlockingIOError):
            return client.recv(1 << 16)
    return b"no answer"
