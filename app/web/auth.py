"""The optional API key: compared in constant time, on bytes, with every key that is set; a key may have a name."""

from __future__ import annotations

import hmac

from flask import Flask, Request, current_app

from ..keys import named
from ..request_errors import UnauthorizedError
from ..settings import Settings
from . import cors, route_notes
from .account import account

METRICS = "metrics.metrics"


def init_app(app: Flask) -> None:
    """Ask every route but the public ones for a key, if keys are set."""
    app.before_request(check_key)


def check_key() -> None:
    """Raise UnauthorizedError unless the request may be answered. Every dialect's clients send a bearer's key."""
    told = account()
    settings = told.services.settings
    if not settings.api_key:
        return
    keys = named(settings.api_key)
    if not keys or _is_public(told.request, settings) or (settings.cors_origins and cors.is_asked_first()):
        return
    scheme, _, given = told.request.headers.get("Authorization", "").partition(" ")
    offered = given.strip().encode() if scheme.lower() == "bearer" else b""
    # Every key is compared, so that the time does not tell which one came close.
    found = [name for name, key in keys if hmac.compare_digest(offered, key)]
    if not found:
        raise UnauthorizedError(_what_is_wrong(told.request.headers.get("Authorization", ""), offered, keys))
    told.key_name = found[0]


def _what_is_wrong(sent: str, offered: bytes, keys: list[tuple[str, bytes]]) -> str:
    wanted = 'send "Authorization: Bearer KEY"'
    if not sent:
        return f"this service needs a key: {wanted}"
    if not offered:
        return f"this service needs a key, and the Authorization that was sent has none: {wanted}"
    if any(hmac.compare_digest(offered, b"%s:%s" % (name.encode(), key)) for name, key in keys if name):
        return f"this service knows the key that was sent, but without its name: {wanted}"
    return "this service does not know the key that was sent"


def _is_public(request: Request, settings: Settings) -> bool:
    """Whether it is answered without a key, as the view's own description says."""
    if not request.endpoint:
        return False
    if request.endpoint == METRICS:
        return settings.metrics_public
    return route_notes.of(current_app.view_functions[request.endpoint]).is_public
