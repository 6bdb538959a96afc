"""What comes in: each route's request as a typed struct, decoded and validated in one pass over the bytes."""

from __future__ import annotations

import codecs
import re
from typing import Literal, TypeVar

import msgspec
from flask import request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import RequestEntityTooLarge

from ..errors import (
    BodyTooLargeError,
    EmptyInputError,
    InvalidInputError,
    MalformedBodyError,
    UnsupportedMediaTypeError,
)
from ..settings import Settings
from .malformed import explained

AT = re.compile(r" - at `(\$[^`]*)`$")


class PredictRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /predict."""

    text: str | list[str]
    normalize: bool | None = None
    truncate: bool | None = None
    pooling: Literal["none"] | None = None


Schema = TypeVar("Schema", bound=msgspec.Struct)


def read_json(schema: type[Schema]) -> Schema:
    """The request's body as `schema`.

    Raises UnsupportedMediaTypeError if it is declared as something else than JSON, MalformedBodyError if it is none,
    InvalidInputError if a key or type is wrong, BodyTooLargeError.
    """
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise UnsupportedMediaTypeError(f"send the body as it is; this request declares Content-Encoding {encoding!r}")
    if not request.is_json:
        declared = request.mimetype or "nothing"
        raise UnsupportedMediaTypeError(f"send Content-Type: application/json; this request declares {declared!r}")
    try:
        body = request.get_data(cache=False)
    except ParseException as error:
        raise MalformedBodyError(f"the body's chunks are malformed: {error}") from None
    except RequestEntityTooLarge:
        raise BodyTooLargeError(request.max_content_length or 0) from None
    try:
        return msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8), type=schema)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise explained(body.removeprefix(codecs.BOM_UTF8), str(error)) from None


def checked_texts(text: str | list[str], settings: Settings, key: str) -> list[str]:
    """The texts under `key`, as a list. Raises EmptyInputError or InvalidInputError, each saying where."""
    texts = [text] if isinstance(text, str) else text
    if not texts:
        raise EmptyInputError(f"{key} is an empty list: there is nothing to encode", where=f"$.{key}")
    if len(texts) > settings.max_texts:
        raise InvalidInputError(
            f"{key} has {len(texts)} texts, but a request may carry {settings.max_texts}", where=f"$.{key}"
        )
    for index, one in enumerate(texts):
        if not one:
            raise EmptyInputError(
                f"{called(text, index)} is empty: there is nothing to encode", where=place(key, text, index)
            )
        if len(one) > settings.max_chars:
            raise InvalidInputError(
                f"{called(text, index)} has {len(one)} characters, but a text may have {settings.max_chars}",
                where=place(key, text, index),
            )
    return texts


def called(text: str | list[str], index: int) -> str:
    """What a sentence calls one of the texts."""
    return "the text" if isinstance(text, str) else f"text {index}"


def place(key: str, text: str | list[str], index: int) -> str:
    """The JSON path of one text."""
    return f"$.{key}" if isinstance(text, str) else f"$.{key}[{index}]"


def _invalid(message: str) -> InvalidInputError:
    """msgspec's sentence, which ends with the place unless that is the whole body."""
    where = AT.search(message)
    return InvalidInputError(AT.sub(r" at \1", message), where=where.group(1) if where else "$")
