"""Why JSON is not what a route takes: msgspec's sentence, where, and what would be right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import msgspec

from ..request_errors import InvalidInputError

# How msgspec begins what names nothing but the schema.
OF_THE_SCHEMA = ("Expected ", "Object missing ")
AT = re.compile(r" - at `(\$[^`]*)`$")
KEY = re.compile(r"Object (missing required|contains unknown) field `([^`]*)`$")
CHOICE = "Invalid enum value "


def explained(message: str, schema: type[msgspec.Struct]) -> InvalidInputError:
    """The refusal of a body that msgspec refused, as `schema`, with these words."""
    found = AT.search(message)
    where, sentence = found.group(1) if found else "$", AT.sub(r" at \1", message)
    if key := KEY.match(message):
        sentence += _keys(schema, key.group(2) if key.group(1) == "contains unknown" else "")
        where += f".{key.group(2)}"
    elif message.startswith(CHOICE) and (choices := _choices(schema, where)):
        sentence += f": one of {', '.join(choices)}"
    error = InvalidInputError(sentence, where=where)
    error.is_quoting = not message.startswith(OF_THE_SCHEMA)
    return error


def _keys(schema: type[msgspec.Struct], unknown: str) -> str:
    names = [field.encode_name for field in msgspec.structs.fields(schema)]
    (meant,) = difflib.get_close_matches(unknown, names, 1) or [""]
    return f"; did you mean `{meant}`?" if meant else f"; this route takes {', '.join(names)}"


def _choices(schema: type[msgspec.Struct], where: str) -> list[str]:
    """Of the field at that place, if it is one of the schema's own."""
    fields = {f"$.{field.encode_name}": field.type for field in msgspec.structs.fields(schema)}
    return [f'"{value}"' for value in _literals(fields.get(where))]


def _literals(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
        return
    for part in get_args(annotation):
        yield from _literals(part)
