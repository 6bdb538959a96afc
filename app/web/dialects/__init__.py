"""What clients speak, a module a dialect or a part of one: schemas, routes, the form of its errors.

All of them embed by ..embedding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from . import openai, ours, tei, tei_scores, tei_tokens

BLUEPRINTS = (ours.routes, tei.routes, tei_tokens.routes, tei_scores.routes, openai.routes)
OPENAI_PATHS = ("/v1", "/embeddings", "/models")


class Dialect(NamedTuple):
    """How an error is told."""

    type: type[msgspec.Struct]
    refusal: Callable[..., msgspec.Struct]
    """Called with a sentence, a kind, a status and details."""


OPENAI = Dialect(openai.OpenaiRefusal, openai.refusal)
TEI = Dialect(tei.TeiRefusal, tei.refusal)


def dialect_of(path: str) -> Dialect:
    """Who is spoken to where `path` was asked. Our own errors are Text Embeddings Inference's."""
    is_openai = any(path == prefix or path.startswith(f"{prefix}/") for prefix in OPENAI_PATHS)
    return OPENAI if is_openai else TEI
