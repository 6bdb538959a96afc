"""Why a body is no JSON, and where: asked once it has been refused, so it may read the body again."""

from __future__ import annotations

import codecs
import json
import re
from typing import Any

from ..request_errors import MalformedBodyError

HALF = re.compile("[\ud800-\udfff]")
# A text in another encoding begins with one of these, or its first character, which is ASCII, has zeros beside it.
OTHER_MARKS = {codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32", b"\0\0\0": "UTF-32"} | {
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
    b"\0": "UTF-16",
}


def explained(body: bytes, parser_says: str) -> MalformedBodyError:
    """The refusal of a body that a JSON parser refused with these words."""
    if not body:
        return MalformedBodyError("the body is empty, but JSON is expected")
    encoding = _other_encoding(body)
    if encoding:
        return MalformedBodyError(f"the body is {encoding}, but JSON is sent as UTF-8")
    try:
        body.decode()
    except UnicodeDecodeError as error:
        byte = body[error.start]
        return MalformedBodyError(f"the body is no UTF-8: byte {byte:#04x} at position {error.start}")
    where = _half_a_character(body)
    if where:
        refusal = MalformedBodyError(
            f"{where} has half of a surrogate pair: an escape \\ud800 to \\udfff without its other half", where=where
        )
        refusal.is_quoting = True  # the keys on the way there
        return refusal
    return MalformedBodyError(f"the body is no JSON: {parser_says}")


def _other_encoding(body: bytes) -> str | None:
    marked = next((name for mark, name in OTHER_MARKS.items() if body.startswith(mark)), None)
    if marked or body[1:2] != b"\0":
        return marked
    return "UTF-32" if body[2:4] == b"\0\0" else "UTF-16"


def _half_a_character(body: bytes) -> str | None:
    """The JSON path of the first string with half of a pair, which Python's own parser lets pass."""
    try:
        return _find(json.loads(body), "$")
    except (ValueError, RecursionError):
        return None


def _find(value: Any, where: str) -> str | None:
    if isinstance(value, str):
        return where if HALF.search(value) else None
    if isinstance(value, list):
        places = [(one, f"{where}[{index}]") for index, one in enumerate(value)]
    elif isinstance(value, dict):
        places = [(one, f"{where}.{key}") for key, one in value.items()]
    else:
        return None
    return next((found for one, place in places if (found := _find(one, place))), None)
