"""POST /admin/reload: the model replaced in place, where one process holds it (BERT_STATE=shared) and a key is set.

Elsewhere HUP replaces the processes, which it does here, too.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

import msgspec
import structlog
from flask import Blueprint, Response

from .. import settings as all_settings
from ..encoder import MODEL_SETTINGS, open_encoder, verify_and_plan
from ..errors import ConfigurationError, ModelRefusedError
from ..request_errors import ReloadRefusedError, ReloadUnderWayError
from .answers import json_response
from .route_notes import describes
from .services import services

routes = Blueprint("reload", __name__)
_under_way = Lock()
log = structlog.get_logger("serve-bert")


@routes.post("/admin/reload")
@describes(dict[str, Any], refuses=(409, 422))
def reload() -> Response:
    """Load the model that the settings name now, verified as at a start, and serve it from then on.

    Settings are read anew for it, as at a reload of the fleet; those that shape no model are not taken. The master is
    told by which it was found, since it will fork the successor. Raises ReloadUnderWayError, ReloadRefusedError.
    """
    if not _under_way.acquire(blocking=False):
        raise ReloadUnderWayError
    service = services()
    reloads = service.metrics.reloads
    try:
        before = service.ready_encoder().info.fingerprint
        settings = all_settings.load()
        encoder = open_encoder(verify_and_plan(settings))
        service.replace_encoder(encoder)
        accepted = {name: getattr(settings, name) for name in MODEL_SETTINGS}
        service.readiness.board.note_replacement(msgspec.json.encode(accepted))
    except (ConfigurationError, ModelRefusedError) as error:
        reloads.labels("refused").inc()
        log.error("reload refused", reason=str(error))
        raise ReloadRefusedError(str(error)) from None
    finally:
        _under_way.release()
    info = encoder.info
    reloads.labels("done").inc()
    log.info(
        "model replaced", model=info.model_id, fingerprint=info.fingerprint, fingerprint_before=before, isa=info.isa
    )
    return json_response({"model_id": info.model_id, "revision": info.revision, "fingerprint": info.fingerprint})
