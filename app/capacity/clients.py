"""Clients of a fleet: each a process with one connection, which asks as soon as it has its answer, or at random times.

Processes, since one of Python's alone would be slower than a large machine that it measures; they take little, and what
they take is not counted as the service's.
"""

from __future__ import annotations

import itertools
import math
import multiprocessing
import random
import re
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event

from ..encoder import end_with_parent
from ..errors import MeasuringError

HEAD_END = b"\r\n\r\n"
STATUS = re.compile(rb"^HTTP/1\.1 (\d{3}) ")
LENGTH = re.compile(rb"^Content-Length: (\d+)\r$", re.MULTILINE | re.IGNORECASE)
CLOSES = re.compile(rb"^Connection: close\r$", re.MULTILINE | re.IGNORECASE)
MS = re.compile(rb"^X-(Total|Queue|Inference)-Time: ([\d.]+)\r$", re.MULTILINE)
READ_BYTES = 1 << 16
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer."""

    finished_s: float
    """By time.monotonic."""
    status: int
    answer_bytes: int
    """On the wire, its head included."""
    worker_ms: float
    """That a worker was at it, without the queue."""
    forward_ms: float
    closes: bool
    """Whether the service takes no further request over this connection: it does so while others wait."""


class Clients:
    """So many, which ask for `rate_per_s` together, until they are told to stop."""

    def __init__(self, count: int, port: int, requests: Sequence[bytes], rate_per_s: float = math.inf) -> None:
        context = multiprocessing.get_context("fork")
        self._stop = context.Event()
        self._pipes: list[Connection] = []
        self._processes = []
        for number in range(count):
            reading, writing = context.Pipe(duplex=False)
            mine = [*requests[number % len(requests) :], *requests[: number % len(requests)]]
            process = context.Process(
                target=_ask, args=(port, mine, rate_per_s / count, self._stop, writing), daemon=True
            )
            process.start()
            writing.close()
            self._pipes.append(reading)
            self._processes.append(process)

    def stop(self) -> list[Seen]:
        """What all of them have seen. Raises MeasuringError with what one of them met."""
        self._stop.set()
        seen: list[Seen] = []
        for pipe in self._pipes:
            try:
                told = pipe.recv()
            except EOFError:
                raise MeasuringError("a client was killed") from None
            if isinstance(told, OSError):
                raise MeasuringError(f"a client: {told}")
            seen += told
        return seen

    def close(self) -> None:
        """Whatever they are at."""
        for process in self._processes:
            process.kill()
            process.join()


def _ask(port: int, requests: Sequence[bytes], rate_per_s: float, stop: Event, pipe: Connection) -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is said to all; who started us ends us
    seen: list[Seen] = []
    due = zip(itertools.cycle(requests), _times(rate_per_s), strict=False)
    try:
        while not stop.is_set():
            with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _ask_on(connection, due, seen, stop)
    except OSError as error:
        pipe.send(error)
    else:
        pipe.send(seen)


def _ask_on(connection: socket.socket, due: Iterator[tuple[bytes, float]], seen: list[Seen], stop: Event) -> None:
    """For as long as it is kept."""
    while not stop.is_set():
        request, when_s = next(due)
        time.sleep(max(0.0, when_s - time.monotonic()))
        connection.sendall(request)
        seen.append(_answer(connection))
        if seen[-1].closes:
            return


def _times(rate_per_s: float) -> Iterator[float]:
    """By time.monotonic, as of somebody who knows nothing of the others (Poisson)."""
    when_s = time.monotonic()
    while True:
        when_s += 0.0 if math.isinf(rate_per_s) else random.expovariate(rate_per_s)
        yield when_s


def _answer(connection: socket.socket) -> Seen:
    """Read one. Raises OSError."""
    content = b""
    while HEAD_END not in content:
        content += _some(connection)
    head_bytes = content.index(HEAD_END) + len(HEAD_END)
    head = content[:head_bytes]
    status, length = STATUS.match(head), LENGTH.search(head)
    if not status or not length:
        raise OSError("an answer that is none")
    whole_bytes, got_bytes = head_bytes + int(length[1]), len(content)
    while got_bytes < whole_bytes:
        got_bytes += len(_some(connection))
    ms = {name: float(value) for name, value in MS.findall(head)}
    worker_ms = ms.get(b"Total", 0.0) - ms.get(b"Queue", 0.0)
    return Seen(
        time.monotonic(), int(status[1]), whole_bytes, worker_ms, ms.get(b"Inference", 0.0), bool(CLOSES.search(head))
    )


def _some(connection: socket.socket) -> bytes:
    if content := connection.recv(READ_BYTES):
        return content
    raise OSError("the service closed a connection")
