"""Probes for an orchestrator: is this process answering, may it be sent requests."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response

from .answers import json_response
from .route_notes import describes
from .services import services

routes = Blueprint("probes", __name__)


class Status(msgspec.Struct):
    """What a probe answers."""

    status: str


@routes.get("/livez")
@describes(Status, is_public=True)
def livez() -> Response:
    """This process answers."""
    return json_response({"status": "alive"})


@routes.get("/health")
@routes.get("/ping")
@describes(None, is_public=True, refuses=(503,))
def health() -> Response:
    """As /readyz, with nothing in the answer; as Text Embeddings Inference and SageMaker know it."""
    services().check_ready()
    return Response(status=200)


@routes.get("/readyz")
@describes(Status, is_public=True, refuses=(503,))
def readyz() -> Response:
    """This worker has a verified model and is not stopping; else 503."""
    services().check_ready()
    return json_response({"status": "ready"})
