"""GET /info: what is served, by what, and a fingerprint to compare fleets by."""

from __future__ import annotations

import platform
from dataclasses import asdict
from functools import cache
from importlib import metadata
from typing import Any

from flask import Blueprint, Response

from ..encoder import ModelInfo
from ..fleet.facts import of_limits
from ..version import VERSION
from .answers import json_response
from .route_notes import describes
from .services import Services, services

routes = Blueprint("info", __name__)
LIBRARIES = ("torch", "sentence-transformers", "transformers", "tokenizers", "safetensors", "flask", "gunicorn")


@routes.get("/info")
@describes(dict[str, Any], refuses=(503,))
def info() -> Response:
    """Engine, model, limits, versions, and the fingerprint of the embedding space."""
    service = services()
    model, settings = service.ready_encoder().info, service.settings
    return json_response(
        {
            **asdict(model),
            **_of_tei(service, model),
            "limits": {"truncate": settings.truncate, **of_limits(settings)},
            "state": settings.state,
            "lock": settings.lock,
            "workers": service.readiness.board.workers,
            "threads": service.readiness.board.threads,
            "versions": versions(),
        }
    )


def _of_tei(service: Services, model: ModelInfo) -> dict[str, Any]:
    """The same under the names of Text Embeddings Inference, for clients that ask there what they may send."""
    settings, board = service.settings, service.readiness.board
    return {
        "model_sha": model.revision or None,
        "model_dtype": model.precision,
        "served_model_name": service.served_name,
        "model_type": {"embedding": {"pooling": model.pooling}},
        "max_concurrent_requests": board.workers * board.threads,
        "max_input_length": model.max_tokens,
        "max_batch_tokens": settings.max_request_tokens,
        "max_batch_requests": settings.max_texts,
        "max_client_batch_size": settings.max_texts,
        "auto_truncate": settings.truncate,
        "tokenization_workers": board.workers,
        "version": VERSION,
        "sha": None,
        "docker_label": None,
    }


@cache
def versions() -> dict[str, str]:
    """Our version, Python's, and those of the libraries that shape an answer, as far as they are installed."""
    return {
        "serve-bert": VERSION,
        "python": platform.python_version(),
        **{name: version for name in LIBRARIES if (version := _version(name))},
    }


def _version(library: str) -> str:
    """Empty if it is not installed."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""
