"""GET /metrics: one page for the whole fleet, whichever worker answers."""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.fleet.metrics import FleetCollector, render
from app.web.services import services

routes = Blueprint("metrics", __name__)


@routes.get("/metrics")
def metrics() -> Response:
    """Prometheus text, or OpenMetrics where the scraper prefers it."""
    service = services()
    fleet = FleetCollector(service.readiness.board, _model_labels())
    page, content_type = render(service.metrics, fleet, request.headers.get("Accept", ""))
    return Response(page, content_type=content_type)


def _model_labels() -> dict[str, str]:
    encoder = services().encoder
    if encoder is None:
        return {}
    model = encoder.info
    return {
        "model": model.model_id,
        "revision": model.revision,
        "sha256": model.sha256,
        "engine": model.engine,
        "precision": model.precision,
        "isa": model.isa,
        "sums": model.sums,
        "pooling": model.pooling,
        "dimension": str(model.dimension),
        "max_tokens": str(model.max_tokens),
        "fingerprint": model.fingerprint,
    }
