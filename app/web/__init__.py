"""The HTTP rooms: one blueprint a module, the hooks around every request, the errors. Never imports torch."""

from __future__ import annotations

from flask import Flask

from ..settings import Settings
from . import admin, attended, auth, cors, failures, hooks, info, metrics, page, predict, probes
from .services import Services

BLUEPRINTS = (predict.routes, info.routes, probes.routes, metrics.routes, page.routes)


def init_app(app: Flask, settings: Settings) -> None:
    """Join routes, hooks and error answers to the application."""
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    cors.init_app(app, settings)
    hooks.init_app(app)
    attended.init_app(app)
    auth.init_app(app)
    failures.init_app(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    if settings.is_shared and settings.api_key:
        app.register_blueprint(admin.routes)


def join_worker(app: Flask, services: Services) -> None:
    """Give the application what is this worker's own, after the fork."""
    app.extensions[Services.NAME] = services
    services.metrics.start_at_zero(_served(app), statuses=(200,))
    services.metrics.start_at_zero([("/predict", "POST")], statuses=(400, 401, 413, 415, 422, 500, 503))


def _served(app: Flask) -> list[tuple[str, str]]:
    rules = app.url_map.iter_rules()
    return sorted((rule.rule, method) for rule in rules for method in (rule.methods or set()) - {"OPTIONS", "HEAD"})
