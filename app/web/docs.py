"""GET /docs and /openapi.json: what is served, for people and for programs, without the internet."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, request

from .answers import json_response
from .openapi import description
from .page import html
from .route_notes import describes
from .services import services

routes = Blueprint("docs", __name__)


@routes.get("/docs/")
@routes.get("/docs")
@describes("text/html", is_public=True)
def docs() -> Response:
    """A page that shows the description."""
    return html("docs", title="what is served", root="../" if request.path.endswith("/") else "")


@routes.get("/api-doc/openapi.json")
@routes.get("/openapi.json")
@describes(dict[str, Any], is_public=True)
def openapi() -> Response:
    """All routes, with their schemas, in OpenAPI 3.1."""
    return json_response(description(current_app, services().settings))
