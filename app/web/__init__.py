"""The HTTP rooms: one blueprint a module, the hooks around every request, the errors. Never imports torch."""

from __future__ import annotations

from flask import Flask

from ..errors import ConfigurationError
from ..fleet.board import own_readiness
from ..fleet.metrics.register import of_process
from ..settings import Settings
from ..version import TRACING
from . import (
    auth,
    compressed,
    cors,
    dialects,
    docs,
    failures,
    hooks,
    info,
    metrics,
    page,
    probes,
    reload,
    second_address,
)
from .lean import App
from .services import Services

BLUEPRINTS = (*dialects.BLUEPRINTS, info.routes, probes.routes, metrics.routes, page.routes, docs.routes)
# Shown before they are first asked for; all others would be a thousand series that nobody may ever move.
FROM_ZERO = [("/predict", "POST"), ("/embed", "POST"), ("/v1/embeddings", "POST")]


def init_app(app: App, settings: Settings) -> None:
    """Join routes, hooks and error answers to the application."""
    import_spans(settings)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    cors.init_app(app, settings)
    hooks.init_app(app)
    compressed.init_app(app, settings)
    second_address.init_app(app)
    auth.init_app(app)
    failures.init_app(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    if settings.is_shared and settings.api_key:
        app.register_blueprint(reload.routes)
    app.know_routes()


def import_spans(settings: Settings) -> None:
    """Import what tells of requests to a collector, if that is wanted. Raises ConfigurationError."""
    if not settings.otlp_endpoint:
        return
    try:
        from . import spans  # noqa: F401
    except ImportError:
        raise ConfigurationError(f"BERT_OTLP_ENDPOINT: OpenTelemetry is not installed; {TRACING} brings it") from None


def begin_spans(services: Services) -> None:
    """In the process that serves: begin to tell of requests to a collector, if that is wanted."""
    import_spans(services.settings)
    if services.settings.otlp_endpoint:
        from .spans import Spans

        services.spans = Spans(services.settings)


def join_worker(app: Flask) -> None:
    """Give the application what is this process's own: after a fork its row of the board, all else is inherited."""
    services: Services | None = app.extensions.get(Services.NAME)
    if services:
        services.readiness = own_readiness()
        return
    services = app.extensions[Services.NAME] = Services(app.extensions["settings"], of_process(), own_readiness())
    services.metrics.start_at_zero(FROM_ZERO, statuses=(200, 400, 401, 413, 415, 422, 500, 503))
