"""What the routes work with, joined in app/__init__.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from flask import current_app

from ..encoder import Encoder, replaced
from ..fleet.board import Readiness, State
from ..fleet.metrics.moves import Moves
from ..fleet.metrics.register import Metrics
from ..request_errors import NotReadyError
from ..settings import Settings
from .trace import Spans


@dataclass
class Services:
    """One worker's parts. `encoder` is None until its model is loaded and verified."""

    NAME: ClassVar[str] = "serve-bert"

    settings: Settings
    metrics: Metrics
    readiness: Readiness
    encoder: Encoder | None = None
    spans: Spans | None = None
    """Where requests are told to a collector, if they are to be."""
    queue_depth: Callable[[], int] = lambda: 0
    """Clients that the kernel has greeted, and no worker taken."""

    def __post_init__(self) -> None:
        self.moves = Moves(self.metrics)

    def ready_encoder(self) -> Encoder:
        """The model. Raises NotReadyError before it is verified; a stopping worker still answers what is in."""
        if self.encoder is None:
            raise NotReadyError(
                "this worker has no verified model yet"
                if self.readiness.is_of_a_fleet
                else "no model was loaded, for no fleet of ours forked this server; the command `serve-bert` starts one"
            )
        return self.encoder

    @property
    def served_name(self) -> str:
        """What the model is called where a client asks."""
        return self.settings.served_model_name or self.ready_encoder().info.model_id

    def replace_encoder(self, encoder: Encoder) -> None:
        """Serve another model from now on; requests that are under way end with the old one."""
        self.encoder = replaced(self.ready_encoder(), encoder)

    def check_ready(self) -> None:
        """Raise NotReadyError unless this worker has a verified model, and neither it nor the fleet is stopping."""
        self.ready_encoder()
        if self.readiness.board.is_handed_over:
            return
        if self.readiness.board.is_draining:
            raise NotReadyError("this fleet is stopping")
        if self.readiness.state is State.STOPPING:
            raise NotReadyError("this worker is stopping")


def services() -> Services:
    """The running application's services."""
    found: Services = current_app.extensions[Services.NAME]
    return found
