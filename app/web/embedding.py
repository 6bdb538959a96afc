"""The one way from validated texts to vectors: check, encode, account. Every route that embeds goes through here."""

from __future__ import annotations

import time
from typing import Any

from flask import Response

from ..encoder import Bounds, Embeddings, Options, look_away
from ..request_errors import InvalidInputError, OptionError, TextError
from ..server.watch import LOOK
from .account import account
from .answers import json_response
from .texts import Texts, check


def truncates(asked: bool | None) -> bool:  # noqa: FBT001 - a key's value
    """Whether a long text is cut, where a request says so, or says nothing."""
    return account().services.settings.truncate if asked is None else asked


def embed(given: Texts, options: Options, *, key: str, options_at: str = "$") -> Embeddings:
    """Encode the texts that stand under `key` in the request, and put down what it took.

    Raises EmptyInputError, InvalidInputError (TextError with its place), NotReadyError, BackendError, and
    ClientGoneError or OverdueError between two parts of a long one.
    """
    told = account()
    service = told.services
    told.form = given.form
    check(given, service.settings, key)
    encoder = service.ready_encoder()
    told.characters = given.characters
    told.decode_s = time.perf_counter() - told.started_s
    try:
        found = told.found = encoder.encode(given.texts, options, bounds=bounds_of_request())
    except InvalidInputError as error:
        say_where(error, given, key, options_at)
        raise
    return found


def say_where(error: InvalidInputError, given: Texts, key: str, options_at: str = "$") -> None:
    """Give an error of the encoder its JSON path, and its text the name that it has in the request."""
    where = f"$.{key}"
    if isinstance(error, TextError):
        where = given.place(error.index)
        error.message = f"{given.called(error.index)} {error.sentence}"
    elif isinstance(error, OptionError):
        where = f"{options_at}.{error.option}"
    error.details = {"where": where, **error.details}


def respond(content: Any) -> Response:
    """The answer, whose making is put down too."""
    started = time.perf_counter()
    response = json_response(content)
    account().encode_s = time.perf_counter() - started
    return response


def bounds_of_request() -> Bounds:
    """What a request may cost; our own server also tells whether anybody waits for it any more."""
    told = account()
    settings, look = told.services.settings, told.request.environ.get(LOOK, look_away)
    return Bounds(settings.max_request_tokens, settings.max_unpooled_numbers, look)
