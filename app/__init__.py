"""serve-bert: BERT sentence embeddings over HTTP on ordinary CPUs.

The one place where the parts are joined. Imports nothing heavy: the model comes with `load_model`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.encoder import Checkpoint
    from app.settings import Settings

__version__ = "0.1.0"


def create_app(settings: Settings | None = None) -> Flask:
    """The application, without a model: it says that it is not ready until `load_model` has run.

    gunicorn.conf.py calls `load_model` in every worker; whoever runs the application in another server calls it too.
    `settings`, unless given, are those of the master that forked this process, else those of the environment.
    Raises ConfigurationError if one of them cannot be used.
    """
    from flask import Flask

    from app import settings as all_settings
    from app import web
    from app.fleet import board, boot, logs
    from app.fleet.metrics import Metrics
    from app.web.services import Services

    settings = settings or boot.settings_in_force() or all_settings.load()
    logs.configure(settings)
    app = Flask(__name__, static_folder=None)
    web.init_app(app, Services(settings, Metrics(), board.own_readiness()))
    return app


def load_model(app: Flask, checkpoint: Checkpoint | None = None) -> None:
    """Give the application its model and announce it as ready.

    `checkpoint` is the model as the master verified it; without one it is verified here. Raises ModelRefusedError.
    """
    from app import encoder
    from app.web.services import Services

    service: Services = app.extensions[Services.NAME]
    settings = service.settings
    checkpoint = checkpoint or encoder.verify(
        settings.model, sha256=settings.model_sha256, max_tokens=settings.max_tokens
    )
    service.encoder = encoder.open_encoder(checkpoint, precision=encoder.resolve_precision(settings.precision))
    service.readiness.announce()
