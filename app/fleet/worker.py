"""gunicorn's threaded worker, made fair: one request at a time, silent clients for nothing, every refusal in JSON.

Stock gthread accepts connections as fast as it can, whether or not it has time for them: in a burst one worker takes
thirty while nine are idle, and kept-alive clients stay on a busy worker for good. Here a worker accepts only while it
is idle, the kernel hands over only connections that have sent something (TCP_DEFER_ACCEPT), and a connection is kept
alive only while nobody else waits. That is the fairness of the sync worker, with keep-alive for who is
alone, and without its weakness, that a client which connects and says nothing holds a worker. The loop and the requests
share one thread; gunicorn's main thread is left to signals and heartbeats.

Measured before that, on the sentence-transformers engine and two cores, ten workers, requests/s and p99, medians of
three rounds of `hey -z 10s`: 21 tokens from 10 clients: this 80 (179 ms), sync 79 (181 ms); 242 tokens from 10: this
17.9 (679 ms), sync 19.6 (620 ms); 21 tokens from 100: this 75 (1.46 s), sync 83 (1.35 s). Stock gthread, 400 and 150
requests from 10: 80 (330 ms) and 17 (1.19 s).
"""

from __future__ import annotations

import errno
import math
import os
import secrets
import select
import signal
import socket
import sys
import time
from concurrent.futures import Future
from functools import partial
from selectors import EVENT_READ
from threading import Thread
from typing import Any

import orjson
import structlog
from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.gthread import TConn, ThreadWorker

from .board import State, own_readiness
from .logs import flush, frames
from .metrics import OTHER_METHOD, UNMATCHED, Metrics

STATUSES = {
    errors.LimitRequestLine: (414, "URI Too Long"),
    errors.LimitRequestHeaders: (431, "Request Header Fields Too Large"),
    errors.ExpectationFailed: (417, "Expectation Failed"),
    errors.ForbiddenProxyRequest: (403, "Forbidden"),
    errors.UnsupportedTransferCoding: (501, "Not Implemented"),
    errors.InvalidResponseHeader: (500, "Internal Server Error"),
    errors.InvalidResponseHeaderName: (500, "Internal Server Error"),
    errors.ConfigurationProblem: (500, "Internal Server Error"),
}
HEAD = (
    "HTTP/1.1 {} {}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    "X-Request-Id: {}\r\nContent-Length: {}\r\n\r\n"
)
HEARTBEAT_S = 1
# Nobody waits, or the master has closed the socket for all of us.
NOBODY = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EINVAL}
log = structlog.get_logger("serve-bert")


class NotOneHostError(errors.ParseException):  # type: ignore[misc]
    """RFC 9112, 3.2."""

    def __str__(self) -> str:
        return "HTTP/1.1 asks for one Host header"


class Worker(ThreadWorker):  # type: ignore[misc]
    """See the module."""

    metrics: Metrics | None = None  # set once the application is made
    busy = 0  # requests being answered
    alive: bool
    asked = False  # to stop, but not by the master

    def run(self) -> None:
        """Serve in a second thread; this one hears signals and says that we live, however long a request takes.

        A thread of its own also has memory of its own: else what requests allocate is cut from what was inherited, and
        copies its pages (2 MB a worker).
        """
        serving = Thread(target=super().run, name="serving", daemon=True)
        serving.start()
        until_s = math.inf
        while serving.is_alive() and time.monotonic() < until_s:
            super().notify()
            flush()
            serving.join(HEARTBEAT_S)
            if self.asked and not own_readiness().board.is_draining:
                self._stop()  # the master does not end, so it was meant for this worker alone
            self.asked = False
            if self.alive and not self.is_parent_alive():
                log.warning("the master is gone, so this worker ends", pid=self.pid)
                self.alive = False
            if not self.alive:  # a stalled client must not keep the loop, and with it the worker, for good
                until_s = min(until_s, time.monotonic() + self.cfg.graceful_timeout)

    def notify(self) -> None:
        """The loop's own call, twice a request; `run` does it instead."""
        if not self.booted:
            super().notify()

    def init_process(self) -> None:
        """Ask the kernel to keep connections back until they have sent something."""
        for listener in self.sockets:
            if hasattr(socket, "TCP_DEFER_ACCEPT") and listener.sock.family in (socket.AF_INET, socket.AF_INET6):
                listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, self.cfg.keepalive)
        super().init_process()

    def is_parent_alive(self) -> bool:
        """Whether the master lives. Both threads ask; gunicorn's own says so in the log each time."""
        return bool(self.ppid == os.getppid())

    def init_signals(self) -> None:
        """Leave Ctrl-C, which reaches the whole group, to the master: it tells us once what is in may end."""
        super().init_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """End at once. gunicorn's own shuts a pool down first, under a lock that the serving thread may hold."""
        del sig, frame
        sys.exit(0)

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - the signature is gunicorn's
        """Accept only while a thread is free, for another worker may be idle; at the fleet's end, all who wait."""
        if not self.alive and own_readiness().board.is_draining:
            for listener in self.sockets:
                while self.accept(listener):
                    pass
        super().set_accept_enabled(enabled and self.busy < self.cfg.threads)

    def accept(self, listener: Any) -> bool:
        """Accept a connection and answer it; if it has sent nothing yet, let it wait in the poller, not in a thread.

        Whether there was any.
        """
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in NOBODY | {errno.ECONNABORTED}:
                return error.errno not in NOBODY  # one that has gone away says nothing of those behind it
            raise
        self.nr_conns += 1
        connection = TConn(self.cfg, client, address, listener.getsockname())
        if _is_readable(client):
            connection.data_ready = True
            self.enqueue_req(connection)
            return True
        connection.timeout = time.monotonic() + self.cfg.keepalive
        self.pending_conns.append(connection)
        self.poller.register(client, EVENT_READ, partial(self.on_pending_socket_readable, connection))
        return True

    def enqueue_req(self, conn: Any) -> None:
        """Answer a request; keep its connection alive afterwards only if nobody else wants its thread."""
        is_enough = self.nr_conns <= self.cfg.threads and not _is_readable(*self.sockets)
        self.max_keepalived = self.cfg.threads if is_enough else 0
        if self.cfg.threads == 1:
            # Here and now: handing it to a pool of one thread and back cost 0.2 of 3.9 ms of CPU a request.
            answered: Future[Any] = Future()
            answered.set_result(self.handle(conn))
            super().finish_request(conn, answered)
            return
        self.busy += 1
        self.set_accept_enabled(self._accepting)
        super().enqueue_req(conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Take connections again: a thread is free."""
        self.busy -= 1
        super().finish_request(conn, fs)
        self.set_accept_enabled(self.alive)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Refuse a request that names no host, or several."""
        hosts = [value for name, value in req.headers if name == "HOST"]
        if len(hosts) > 1 or (not hosts and req.version >= (1, 1)):
            raise NotOneHostError
        return super().handle_request(req, conn)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Told to stop. Who tells the whole group (systemd does) means the master, which tells us in its time."""
        del sig, frame
        if own_readiness().state is State.STOPPING or not self.is_parent_alive():
            self._stop()
        else:
            self.asked = True

    def _stop(self) -> None:
        """Not ready first, then gunicorn's own way."""
        own_readiness().stop()
        super().handle_exit(signal.SIGTERM, None)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a request that could not be parsed, or that failed outside the application, in JSON; log one line."""
        del req, addr
        is_clients = isinstance(exc, errors.ParseException)
        status, reason = STATUSES.get(type(exc), (400, "Bad Request") if is_clients else (500, "Internal Server Error"))
        request_id = secrets.token_hex(16)
        sentence = f"this is no valid HTTP request: {exc}" if status < 500 else "the server failed on this request"
        body = orjson.dumps(
            {"error": sentence, "error_type": "Validation" if status < 500 else "Backend", "request_id": request_id}
        )
        if self.metrics:
            self.metrics.requests.labels(UNMATCHED, OTHER_METHOD, str(status)).inc()
        # The exception may quote what the client sent; its class and place say enough.
        facts = {"request_id": request_id, "status": status, "error_class": type(exc).__name__}
        if is_clients:
            log.warning("refused", **facts)
        else:
            log.error("unforeseen", **facts, frames=frames(exc))
        try:
            util.write_nonblock(client, HEAD.format(status, reason, request_id, len(body)).encode() + body)
        except OSError:
            log.debug("refusal not delivered", request_id=request_id)


def _is_readable(*sockets: Any) -> bool:
    """Whether there is anything to read, or to accept, right now."""
    poll = select.poll()
    for each in sockets:
        poll.register(each, select.POLLIN)
    return bool(poll.poll(0))
