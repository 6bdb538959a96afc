"""Probes for an orchestrator: is this process answering, may it be sent requests."""

from __future__ import annotations

from flask import Blueprint, Response

from .answers import json_response
from .services import services

routes = Blueprint("probes", __name__)


@routes.get("/livez")
def livez() -> Response:
    """This process answers."""
    return json_response({"status": "alive"})


@routes.get("/readyz")
def readyz() -> Response:
    """This worker has a verified model and is not stopping; else 503."""
    services().check_ready()
    return json_response({"status": "ready"})
