"""A request to its answer: call the application (PEP 3333), put its status, headers and body into bytes.

An answer is whole before its first byte is sent: its length is known, and a failure on the way is still a clean 500.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from .parser import Request

BODYLESS = ("1", "204", "304")


@dataclass(slots=True)
class Answer:
    """What the application said."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


def ask(application: Callable[..., Any], request: Request) -> Answer:
    """The application's answer; raises what it raises."""
    told: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., None]:
        del exc_info  # nothing has been sent yet, so a later status always replaces an earlier one
        told[:] = (status, headers)
        return _write

    parts = application(request.environ, start_response)
    try:
        body = b"".join(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    status, headers = told
    return Answer(status, headers, body)


def _write(_data: bytes) -> None:
    raise NotImplementedError("write() of PEP 3333 is for old frameworks, and Flask does not call it")


class Printer:
    """Answers to bytes; keeps the Date of this second."""

    def __init__(self) -> None:
        self._second = 0
        self._date = ""

    def print(self, answer: Answer, request: Request, *, keep_alive: bool) -> tuple[bytes, bytes]:
        """The head and the body, which is empty where HTTP allows none. Werkzeug lets no line end into a header."""
        protocol = request.environ["SERVER_PROTOCOL"]
        lines = [f"{protocol} {answer.status}"]
        is_bodyless = answer.status.startswith(BODYLESS)
        has_length = is_bodyless
        for name, value in answer.headers:
            lines.append(f"{name}: {value}")
            has_length = has_length or name.lower() == "content-length"
        if not has_length:
            lines.append(f"Content-Length: {len(answer.body)}")
        lines += (f"Date: {self._now()}", f"Connection: {'keep-alive' if keep_alive else 'close'}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return head, b"" if is_bodyless or request.environ["REQUEST_METHOD"] == "HEAD" else answer.body

    def _now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second, self._date = second, formatdate(second, usegmt=True)
        return self._date
