"""The optional API key: compared in constant time, on bytes, with every key that is set; a key may have a name."""

from __future__ import annotations

import hmac
import re
from functools import lru_cache

from flask import Flask, Request

from ..errors import UnauthorizedError
from ..settings import Settings
from . import cors
from .account import account

NAMED = re.compile(r"(?:([A-Za-z0-9._-]{1,64}):)?(.+)")
# What orchestrators and Prometheus ask for, without a key.
PUBLIC_PATHS = frozenset(
    {"/livez", "/readyz", "/health", "/ping", "/docs", "/docs/", "/openapi.json", "/api-doc/openapi.json"}
    | {"/favicon.ico"}
)


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
        raise UnauthorizedError('this service needs a key: send "Authorization: Bearer KEY"')
    told.key_name = found[0]


@lru_cache(1)
def named(keys: str) -> list[tuple[str, bytes]]:
    """Each key of BERT_API_KEY, and what stands before it: "search:KEY"; "" if nothing does."""
    found = (NAMED.fullmatch(one.strip()) for one in keys.split(","))
    return [(one[1] or "", one[2].encode()) for one in found if one]


def _is_public(request: Request, settings: Settings) -> bool:
    """Balancers ask for the page, too, to see whether anybody is there."""
    if request.path == "/metrics":
        return settings.metrics_public
    return request.path in PUBLIC_PATHS or (request.path == "/" and request.method in ("GET", "HEAD"))
