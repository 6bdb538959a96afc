"""A proxy in front of a fleet, which serves it behind a prefix that it strips."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PREFIX = "/team/embeddings"
PASSED = ("Content-Type", "Authorization")


@contextmanager
def behind_a_prefix(upstream: str) -> Iterator[str]:
    """The page's address there."""

    class Proxy(BaseHTTPRequestHandler):
        def answer(self) -> None:
            if not self.path.startswith(f"{PREFIX}/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
            headers = {name: self.headers[name] for name in PASSED if name in self.headers}
            request = urllib.request.Request(upstream + self.path.removeprefix(PREFIX), body, headers)
            try:
                found = urllib.request.urlopen(request)
            except urllib.error.HTTPError as error:
                found = error
            with found:
                content = found.read()
                self.send_response(found.status)
                for name, value in found.headers.items():
                    if name not in ("Connection", "Transfer-Encoding"):
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815 - the names are the library's

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{PREFIX}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
