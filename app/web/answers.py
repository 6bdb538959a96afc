"""JSON out. Arrays are printed straight from their memory, float32 as the shortest text that reads back exactly."""

from __future__ import annotations

from typing import Any

import orjson

from .lean import Answer


def json_bytes(content: Any) -> bytes:
    """Content, which may hold float32 arrays, as JSON."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def as_json(content: Any) -> orjson.Fragment:
    """A part of an answer, as JSON already."""
    return orjson.Fragment(json_bytes(content))


def json_response(content: Any) -> Answer:
    """A JSON response."""
    answer = Answer(json_bytes(content), content_type="application/json")
    answer.is_plain = True
    return answer
