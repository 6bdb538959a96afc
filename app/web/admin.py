"""POST /admin/reload: the model replaced in place, where one process holds it (BERT_STATE=shared) and a key is set.

Elsewhere HUP replaces the processes, which it does here, too.
"""

from __future__ import annotations

from threading import Lock

from flask import Blueprint, Response

from app import settings as all_settings
from app.encoder import Encoder, open_encoder, verify_and_plan
from app.errors import ConfigurationError, ModelRefusedError, ReloadRefusedError, ReloadUnderWayError
from app.web.answers import json_response
from app.web.services import services

routes = Blueprint("admin", __name__)
_under_way = Lock()


@routes.post("/admin/reload")
def reload() -> Response:
    """Load the model that the settings name now, verified as at a start, and serve it; the old one serves meanwhile."""
    service = services()
    if not _under_way.acquire(blocking=False):
        raise ReloadUnderWayError
    try:
        encoder = _opened()
        service.replace_encoder(encoder)
        service.readiness.board.note_replacement()
    finally:
        _under_way.release()
    info = encoder.info
    return json_response({"model_id": info.model_id, "revision": info.revision, "fingerprint": info.fingerprint})


def _opened() -> Encoder:
    """Settings are read anew for it, as at a reload of the fleet; of those that shape no model none is taken."""
    try:
        return open_encoder(verify_and_plan(all_settings.load()))
    except (ConfigurationError, ModelRefusedError) as error:
        raise ReloadRefusedError(str(error)) from None
