"""What is answered at the second address (BERT_ADMIN_BIND): by a thread that must never be long at anything."""

from __future__ import annotations

from flask import Flask, current_app

from ..request_errors import WrongAddressError
from ..server.environ import FOR_ADMIN
from . import info, metrics, probes
from .account import account

ROUTES = frozenset({probes.routes.name, info.routes.name, metrics.routes.name})


def init_app(app: Flask) -> None:
    """Refuse everything else there."""
    app.before_request(check_address)


def paths(app: Flask) -> frozenset[str]:
    """Of all that is answered there; at the first address too, however many requests wait."""
    return frozenset(rule.rule for rule in app.url_map.iter_rules() if rule.endpoint.partition(".")[0] in ROUTES)


def check_address() -> None:
    """Raise WrongAddressError for a request that came to the wrong address."""
    request = account().request
    if request.environ.get(FOR_ADMIN) and request.url_rule and request.blueprint not in ROUTES:
        raise WrongAddressError(paths(current_app))
