"""GET /metrics: one page for the whole fleet, whichever worker answers."""

from __future__ import annotations

from flask import Blueprint, Response, request

from ..fleet.metrics.scrape import FleetCollector, render
from .route_notes import describes
from .services import services

routes = Blueprint("metrics", __name__)
# Labels of bert_model_info, and the facts of a ModelInfo that they show.
LABELS = (
    {"model": "model_id"}
    | {
        name: name
        for name in ("revision", "sha256", "engine", "precision", "isa", "sums", "pooling", "dimension", "max_tokens")
    }
    | {"fingerprint": "fingerprint", "proof": "proof"}
)


@routes.get("/metrics")
@describes("text/plain", is_public=True, refuses=(401,))
def metrics() -> Response:
    """Prometheus text, or OpenMetrics where the scraper prefers it."""
    service = services()
    fleet = FleetCollector(service.readiness.board, _model_labels(), service.queue_depth())
    page, content_type = render(service.metrics, fleet, request.headers.get("Accept", ""))
    return Response(page, content_type=content_type)


def _model_labels() -> dict[str, str]:
    encoder = services().encoder
    if encoder is None:
        return {}
    info = encoder.info  # once: it may be replaced meanwhile
    return {label: str(getattr(info, fact)) for label, fact in LABELS.items()}
