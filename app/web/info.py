"""GET /info: what is served, by what, and a fingerprint to compare fleets by."""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata

from flask import Blueprint, Response

import app
from app.web.answers import json_response
from app.web.services import services

routes = Blueprint("info", __name__)
LIBRARIES = ("torch", "sentence-transformers", "transformers", "tokenizers", "safetensors", "flask", "gunicorn")


@routes.get("/info")
def info() -> Response:
    """Engine, model, limits, versions, and the fingerprint of the embedding space."""
    service = services()
    model, settings = service.ready_encoder().info, service.settings
    return json_response(
        {
            "model_id": model.model_id,
            "revision": model.revision,
            "sha256": model.sha256,
            "fingerprint": model.fingerprint,
            "engine": model.engine,
            "isa": model.isa,
            "sums": model.sums,
            "packed_sha256": model.packed_sha256,
            "measured_ms": model.measured_ms,
            "architecture": model.architecture,
            "precision": model.precision,
            "dimension": model.dimension,
            "max_tokens": model.max_tokens,
            "pooling": model.pooling,
            "normalize": model.normalize,
            "prompts": model.prompts,
            "limits": {
                "truncate": settings.truncate,
                "max_texts": settings.max_texts,
                "max_chars": settings.max_chars,
                "max_body_bytes": settings.max_body_bytes,
            },
            "workers": service.readiness.board.workers,
            "versions": versions(),
        }
    )


@cache
def versions() -> dict[str, str]:
    """Our version, Python's, and those of the libraries that shape an answer."""
    return {
        "serve-bert": app.__version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in LIBRARIES},
    }
