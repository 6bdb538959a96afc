"""A small stand-in for a model hub on loopback: it serves a real directory as repository ORG/NAME at one revision.

It speaks what huggingface_hub asks for: the revision's list of files, and each file's head and body with the commit,
an ETag, and for large files the sha256 that a hub keeps as the linked ETag.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "some-org/some-model"


class Hub(ThreadingHTTPServer):
    def __init__(self, directory: Path, token: str | None = None, wrong_sha256: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.directory = directory
        self.token = token
        self.wrong_sha256 = wrong_sha256
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def files(self) -> list[str]:
        return sorted(str(p.relative_to(self.directory)) for p in self.directory.rglob("*") if p.is_file())


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        if self.server.token and self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return self.send(401, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "a token is needed"}, with_body)
        revisions = f"/api/models/{REPOSITORY}/revision/"
        if path.startswith(revisions) and path.removeprefix(revisions) in {"main", COMMIT, "v1"}:
            siblings = [{"rfilename": name} for name in self.server.files()]
            listing = {"id": REPOSITORY, "modelId": REPOSITORY, "sha": COMMIT, "siblings": siblings, "tags": []}
            return self.send(200, json.dumps(listing).encode(), {"Content-Type": "application/json"}, with_body)
        if path == f"/api/models/{REPOSITORY}/tree/{COMMIT}":
            tree = [self.tree_entry(name) for name in self.server.files()]
            return self.send(200, json.dumps(tree).encode(), {"Content-Type": "application/json"}, with_body)
        file = path.removeprefix(f"/{REPOSITORY}/resolve/{COMMIT}/")
        if file in self.server.files():
            return self.send_file((self.server.directory / file).read_bytes(), file, with_body)
        return self.send(404, b"", {"X-Error-Code": "RevisionNotFound"}, with_body)

    def tree_entry(self, name: str) -> dict[str, object]:
        data = (self.server.directory / name).read_bytes()
        digest = self.sha256(data)
        entry: dict[str, object] = {"type": "file", "path": name, "size": len(data), "oid": digest[:40]}
        if name.endswith(".safetensors"):
            entry["lfs"] = {"oid": digest, "size": len(data), "pointerSize": 134}
        return entry

    def sha256(self, data: bytes) -> str:
        return "0" * 64 if self.server.wrong_sha256 else hashlib.sha256(data).hexdigest()

    def send_file(self, data: bytes, name: str, with_body: bool) -> None:
        digest = hashlib.sha256(data).hexdigest()
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{digest[:40]}"'}
        if name.endswith(".safetensors"):
            headers |= {"X-Linked-Etag": f'"{self.sha256(data)}"', "X-Linked-Size": str(len(data))}
        self.send(200, data, headers, with_body)

    def send(self, status: int, data: bytes, headers: dict[str, str], with_body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if with_body:
            self.wfile.write(data)


@contextmanager
def serving(directory: Path, **options: object) -> Iterator[Hub]:
    hub = Hub(directory, **options)  # type: ignore[arg-type]
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()
