"""serve-bert: BERT sentence embeddings over HTTP on ordinary CPUs.

The one place where the parts are joined. Imports nothing heavy: the model comes with `load_model`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from .encoder import Plan
    from .settings import Settings
    from .web.lean import App


def create_app(settings: Settings | None = None) -> Flask:
    """The application. Under our process model it has no model yet: app/process/ calls `load_model` after the fork.

    Without `settings`, those of the master that forked this process hold. In a server that knows nothing of ours there
    are none: the environment's hold, and the model is loaded here, but for a gunicorn without our configuration, whose
    start ends. With `settings` given, whoever asks calls `load_model`. Raises ConfigurationError, NotOurFleetError,
    and ModelRefusedError of a model that it loads.
    """
    from . import settings as all_settings
    from . import web
    from .fleet import boot, elsewhere, logs

    inherited = boot.settings_in_force()
    is_alone = settings is None and inherited is None
    if is_alone:
        elsewhere.refuse_gunicorn()
    app = (boot.assembled if settings is None else None) or assemble(settings or inherited or all_settings.load())
    found: Settings = app.extensions["settings"]
    logs.configure(found)
    web.join_worker(app)
    if is_alone:
        elsewhere.say_what_is_missing()
        load_model(app)
    return app


def assemble(settings: Settings) -> App:
    """All of the application that workers have in common: routes, hooks, error answers.

    The master does this before it forks. Done in each worker it would write to the pages of every module it touches,
    and so copy them: 4 MB a worker.
    """
    from . import web
    from .web.lean import App

    app = App(__name__)
    app.extensions["settings"] = settings
    web.init_app(app, settings)
    return app


def load_model(app: Flask, plan: Plan | None = None) -> None:
    """Give the application its model, unless the master has, and announce it as ready once it is held to be right.

    `plan` is what the master verified and chose; without one it is done here. Raises ModelRefusedError, and
    ConfigurationError if the engine that the settings ask for cannot run.
    """
    from . import encoder, web
    from .web.services import Services

    service: Services = app.extensions[Services.NAME]
    if plan and service.encoder:
        service.encoder.take_over()
        encoder.hold(service.encoder, plan)
    else:
        opened = encoder.open_encoder(plan or encoder.verify_and_plan(service.settings))
        service.encoder = encoder.guarded(opened, service.settings.lock)
    web.begin_spans(service)
    service.readiness.announce()
