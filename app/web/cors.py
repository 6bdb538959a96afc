"""Whose pages a browser lets read our answers (BERT_CORS_ORIGINS): https://fetch.spec.whatwg.org/#http-cors-protocol.

Off by default. A browser asks first, by OPTIONS and without a key, whether it may send what a page wants to send.
"""

from __future__ import annotations

from collections.abc import Iterable

from flask import Flask, request

from ..settings import Settings
from .lean import Answer

ASKED_FIRST = "Access-Control-Request-Method"
ASKED_HEADERS = "Access-Control-Request-Headers"
MAY_SEND = "Authorization, Content-Type, X-Request-Id"
REMEMBERED_S = "600"
VARY = ("Vary", "Origin")


def init_app(app: Flask, settings: Settings) -> None:
    """Add the headers, if any origin is named."""
    if not settings.cors_origins:
        return

    @app.after_request
    def allow(response: Answer) -> Answer:
        exposed = [name for name, _ in (*response.headers, *response.told) if name.startswith("X-")]
        allowed = allowing(settings, request.headers.get("Origin", ""), exposed)
        response.vary.add("Origin")
        response.headers.extend(allowed[1:])
        if len(allowed) > 1 and is_asked_first():
            response.headers["Access-Control-Allow-Methods"] = response.headers.get("Allow", "GET, POST")
            # Whatever the page of an allowed origin has: OpenAI's client sends a dozen of its own.
            response.headers["Access-Control-Allow-Headers"] = request.headers.get(ASKED_HEADERS, MAY_SEND)
            response.headers["Access-Control-Max-Age"] = REMEMBERED_S
        return response


def allowing(settings: Settings, origin: str, exposed: Iterable[str]) -> list[tuple[str, str]]:
    """Headers by which a browser lets the page of an origin read an answer, and of its headers those of our own."""
    origins = {each.strip() for each in settings.cors_origins.split(",") if each.strip()}
    if not origins:
        return []
    if not origin or not origins & {origin, "*"}:
        return [VARY]
    allowed = "*" if "*" in origins else origin
    # A page sees no others but the few that every answer has.
    return [VARY, ("Access-Control-Allow-Origin", allowed), ("Access-Control-Expose-Headers", ", ".join(exposed))]


def is_asked_first() -> bool:
    """Whether this is a browser's question, which carries no key, and is answered with headers alone."""
    return request.method == "OPTIONS" and "Origin" in request.headers and ASKED_FIRST in request.headers
