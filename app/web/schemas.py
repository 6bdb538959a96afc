"""What comes in: a request as a typed struct, decoded and validated in one pass over the bytes."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import RequestEntityTooLarge

from ..request_errors import BodyTooLargeError, InvalidInputError, MalformedBodyError, UnsupportedMediaTypeError
from ..server.watch import LOOK
from . import invalid, malformed
from .account import account

Schema = TypeVar("Schema", bound=msgspec.Struct)
Other = TypeVar("Other", bound=msgspec.Struct)


def read_json(schema: type[Schema]) -> Schema:
    """The request's body as `schema`.

    Raises UnsupportedMediaTypeError if it is declared as something else than JSON, MalformedBodyError if it is none,
    InvalidInputError if a key or type is wrong, BodyTooLargeError.
    """
    return _decoded(_body(), schema)


def read_json_by_key(schema: type[Schema], key: str, others: Mapping[str, type[Other]]) -> Schema | Other:
    """As `read_json`; what has not the schema's own `key`, but a key of `others`, is read as that one's schema."""
    body = _body()
    try:
        return _decoded(body, schema)
    except InvalidInputError:
        if other := _by_key(body, key, others):
            return _decoded(body, other)
        raise


def _body() -> bytes:
    told = account()
    request, environ = told.request, told.request.environ
    encoding = environ.get("HTTP_CONTENT_ENCODING") or "identity"
    if encoding.lower() != "identity":
        raise UnsupportedMediaTypeError(f"send the body as it is; this request declares Content-Encoding {encoding!r}")
    if environ.get("CONTENT_TYPE") != "application/json" and not request.is_json:
        declared = request.mimetype or "nothing"
        raise UnsupportedMediaTypeError(f"send Content-Type: application/json; this request declares {declared!r}")
    try:
        if LOOK in environ and int(environ["CONTENT_LENGTH"]) <= told.services.settings.max_body_bytes:
            return told.body.read().removeprefix(codecs.BOM_UTF8)  # our own server has it whole
        return request.get_data(cache=False).removeprefix(codecs.BOM_UTF8)
    except ParseException as error:
        raise MalformedBodyError(f"the body's chunks are malformed: {error}") from None
    except RequestEntityTooLarge:
        raise BodyTooLargeError(request.max_content_length or 0) from None


def _decoded(body: bytes, schema: type[Schema]) -> Schema:
    try:
        return msgspec.json.decode(body, type=schema)
    except msgspec.ValidationError as error:
        raise invalid.explained(str(error), schema) from None
    except RecursionError:
        raise MalformedBodyError("the body is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed.explained(body, str(error)) from None


def _by_key(body: bytes, unless: str, others: Mapping[str, type[Other]]) -> type[Other] | None:
    try:
        keys = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return None
    if unless in keys:
        return None
    return next((schema for key, schema in others.items() if key in keys), None)
