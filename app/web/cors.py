"""Whose pages a browser lets read our answers (BERT_CORS_ORIGINS): https://fetch.spec.whatwg.org/#http-cors-protocol.

Off by default. A browser asks first, by OPTIONS and without a key, whether it may send what a page wants to send.
"""

from __future__ import annotations

from flask import Flask, request

from ..settings import Settings
from .lean import Answer

ASKED_FIRST = "Access-Control-Request-Method"
ASKED_HEADERS = "Access-Control-Request-Headers"
MAY_SEND = "Authorization, Content-Type, X-Request-Id"
REMEMBERED_S = "600"


def init_app(app: Flask, settings: Settings) -> None:
    """Add the headers, if any origin is named."""
    origins = {origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()}
    if not origins:
        return

    @app.after_request
    def allow(response: Answer) -> Answer:
        origin = request.headers.get("Origin", "")
        response.vary.add("Origin")
        if origin and origins & {origin, "*"}:
            response.access_control_allow_origin = "*" if "*" in origins else origin
            # Those of our own: a page sees no others but the few that every answer has.
            response.headers["Access-Control-Expose-Headers"] = ", ".join(
                name for name, _ in (*response.headers, *response.told) if name.startswith("X-")
            )
            if is_asked_first():
                response.headers["Access-Control-Allow-Methods"] = response.headers.get("Allow", "GET, POST")
                # Whatever the page of an allowed origin has: OpenAI's client sends a dozen of its own.
                response.headers["Access-Control-Allow-Headers"] = request.headers.get(ASKED_HEADERS, MAY_SEND)
                response.headers["Access-Control-Max-Age"] = REMEMBERED_S
        return response


def is_asked_first() -> bool:
    """Whether this is a browser's question, which carries no key, and is answered with headers alone."""
    return request.method == "OPTIONS" and "Origin" in request.headers and ASKED_FIRST in request.headers
