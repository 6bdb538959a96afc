"""serve-bert: BERT sentence embeddings over HTTP on ordinary CPUs.

The one place where the parts are joined. Imports nothing heavy: the model comes with `load_model`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.encoder import Plan
    from app.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """The application, without a model: it says that it is not ready until `load_model` has run.

    gunicorn.conf.py calls `load_model` in every worker; whoever runs the application in another server calls it too.
    `settings`, unless given, are those of the master that forked this process, else those of the environment.
    Raises ConfigurationError if one of them cannot be used.
    """
    from app import settings as all_settings
    from app import web
    from app.fleet import board, boot, logs
    from app.fleet.metrics import Metrics
    from app.web.services import Services

    inherited = boot.settings_in_force() if settings is None else None
    app = (boot.assembled if inherited else None) or assemble(settings or inherited or all_settings.load())
    found: Settings = app.extensions["settings"]
    logs.configure(found)
    web.join_worker(app, Services(found, Metrics(), board.own_readiness()))
    return app


def assemble(settings: Settings) -> Flask:
    """All of the application that workers have in common: routes, hooks, error answers.

    The master does this before it forks. Done in each worker it would write to the pages of every module it touches,
    and so copy them: 4 MB a worker.
    """
    from flask import Flask

    from app import web

    app = Flask(__name__, static_folder=None)
    app.extensions["settings"] = settings
    web.init_app(app, settings)
    return app


def load_model(app: Flask, plan: Plan | None = None) -> None:
    """Give the application its model and announce it as ready.

    `plan` is what the master verified and chose; without one it is done here. Raises ModelRefusedError, and
    ConfigurationError if the engine that the settings ask for cannot run.
    """
    from app import encoder
    from app.web.services import Services

    service: Services = app.extensions[Services.NAME]
    opened = encoder.open_encoder(plan or encoder.verify_and_plan(service.settings))
    service.encoder = encoder.guarded(opened, service.settings.lock)
    service.readiness.announce()
