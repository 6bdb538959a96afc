"""A loop on a loopback socket, with an application of a few lines; and two, with attendants, as workers have them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from app.request_errors import RequestError
from app.server.admission import Admission
from app.server.environ import Trust
from app.server.loop import Loop
from app.server.parser import Limits
from app.server.passing_on import Handing
from app.server.terms import Patience, Terms
from app.server.watch import LOOK, WAITED_S, Watch

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
BIG_BYTES = 40_000_000


class Service:
    """A host, and an application: it echoes what it is sent; paths make it slow, large or fail."""

    metrics = None
    routes = frozenset({"/", "/wait", "/probe"})

    def __init__(self) -> None:
        self.is_serving = True
        self.is_draining = False
        self.has_siblings = False
        self.answered = 0
        self.ended: list[Exception] = []
        self.go = threading.Event()
        self.waits = False
        self.client = ""
        self.name = b"hello"
        self.waited_s = 0.0

    def count_request(self) -> None:
        self.answered += 1

    @staticmethod
    def allow(origin: str) -> list[tuple[str, str]]:
        return [("Access-Control-Allow-Origin", origin)]

    @staticmethod
    def tell(path: str, error: RequestError, request_id: str) -> bytes:
        return f"{path}|{error.message}|{request_id}".encode()

    def wsgi(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        path = environ["PATH_INFO"]
        self.waited_s = environ[WAITED_S]
        if path == "/":
            self.client = environ["REMOTE_ADDR"]
        if path == "/fail":
            raise RuntimeError("secret")
        if path == "/wait":
            self.waits = True
            self.go.wait(5)
            self.waits = False
        if path == "/look":
            self._look(environ)
        body = b"a" * BIG_BYTES if path == "/big" else environ["wsgi.input"].read() or self.name
        start("200 OK" if path != "/none" else "204 No Content", [("Content-Type", "text/plain")])
        return [body]

    def _look(self, environ: dict[str, Any]) -> None:
        try:
            for _ in range(500):
                environ[LOOK]()
                time.sleep(0.01)
        except Exception as error:
            self.ended.append(error)
            raise


class Served:
    """A running loop."""

    def __init__(self, service: Service, loop: Loop, address: tuple[str, int] | str, watch: Watch) -> None:
        self.service = service
        self.loop = loop
        self.address = address
        self.watch = watch
        self.clients = ExitStack()

    def connected(self, data: bytes = b"") -> socket.socket:
        sock = self.clients.enter_context(socket.socket(socket.AF_UNIX if self.is_unix else socket.AF_INET))
        sock.settimeout(10)
        sock.connect(self.address)
        sock.sendall(data)
        return sock

    @property
    def is_unix(self) -> bool:
        return isinstance(self.address, str)

    def asked(self, data: bytes = GET) -> bytes:
        """All that comes until the connection ends, or half a second passes without a byte."""
        with self.connected(data) as sock:
            return received(sock)


def received(sock: socket.socket, pause_s: float = 0.5, until: bytes | None = None) -> bytes:
    """All that comes until the connection ends, so long passes without a byte, or it ends with `until`."""
    sock.settimeout(pause_s)
    data = bytearray()
    try:
        while part := sock.recv(1 << 20):
            data += part
            if until and data.endswith(until):
                break
    except (TimeoutError, ConnectionResetError):
        pass
    return bytes(data)


def listening(unix: str) -> socket.socket:
    """At a path, or at a port of loopback."""
    if not unix:
        return socket.create_server(("127.0.0.1", 0))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(unix)
    listener.listen()
    return listener


@contextmanager
def serving(
    *,
    client_s: float = 5,
    keep_alive_s: float = 5,
    threads: int = 1,
    timeout_s: float = 5,
    connections: int = 1000,
    body_bytes: int = 1000,
    admission: Admission | None = None,
    unix: str = "",
) -> Iterator[Served]:
    service, watch, handing = Service(), Watch(timeout_s), Handing() if admission else None
    limits, patience = Limits(4094, 100, 8190, body_bytes), Patience(client_s, keep_alive_s)
    terms = Terms(limits, patience, connections, threads, Trust([]), Trust([]), "off", admission or Admission())
    with listening(unix) as listener:
        loop = Loop(service, [listener], terms, watch, handing)
        thread = threading.Thread(target=loop.run, daemon=True)
        thread.start()
        served = Served(service, loop, listener.getsockname(), watch)
        try:
            with served.clients:
                yield served
        finally:
            service.is_serving = False
            service.go.set()
            watch.stops_by_s = time.monotonic() + 2
            loop.wake()
            thread.join(10)
            assert not thread.is_alive()
            if handing:
                handing.close()


class Worked:
    """A loop and its attendant, as a worker has them."""

    def __init__(self, listener: socket.socket, terms: Terms, handing: Handing) -> None:
        self.service, watch = Service(), Watch(5)
        self.loop = Loop(self.service, [listener], terms, watch, handing)
        self.attendant = Loop(self.service, [], terms, watch)
        self.loop.be_stood_in_for(self.attendant)
        self.threads = [threading.Thread(target=each, daemon=True) for each in (self.loop.run, self._attend)]
        for thread in self.threads:
            thread.start()

    def _attend(self) -> None:
        wait_s = 1.0
        while self.service.is_serving:
            self.attendant.turn(wait_s)
            wait_s = self.loop.stand_in()

    def end(self) -> None:
        self.service.is_serving = False
        self.service.go.set()
        self.loop.wake()
        self.attendant.wake()
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()


@contextmanager
def two_workers(
    proxy_protocol: str = "off", admission: Admission | None = None
) -> Iterator[tuple[Worked, Worked, Callable[[bytes], socket.socket]]]:
    """On one socket, each with an attendant; and how to become a client of theirs that sends something."""
    handing = Handing()
    limits, trusted = Limits(4094, 100, 8190, 1000), Trust(["127.0.0.1"])
    terms = Terms(limits, Patience(2, 5), 1000, 1, Trust([]), trusted, proxy_protocol, admission or Admission())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        first, second = (Worked(listener, terms, handing) for _ in range(2))
        clients = ExitStack()

        def connected(data: bytes) -> socket.socket:
            sock = clients.enter_context(socket.create_connection(listener.getsockname(), timeout=10))
            sock.sendall(data)
            return sock

        try:
            with clients:
                yield first, second, connected
        finally:
            first.end()
            second.end()
            handing.close()
