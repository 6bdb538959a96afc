"""The one way from validated texts to vectors: encode, count, time. Every route that embeds goes through here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from flask import Response, g, request

from ..encoder import Bounds, Embeddings, Pooling, look_away
from ..errors import InvalidInputError, TextError
from ..server.watch import LOOK
from ..settings import Settings
from .answers import json_response
from .hooks import milliseconds, note
from .schemas import called, checked_texts, place
from .services import services


@dataclass(frozen=True, slots=True)
class Options:
    """How a request wants its vectors; None: as the model, or the service, does by default."""

    normalize: bool | None = None
    truncate: bool | None = None
    pooling: Pooling | None = None


def embed(text: str | list[str], options: Options, *, key: str) -> Embeddings:
    """Encode the text or texts that stand under `key` in the request, and record what it took.

    Raises EmptyInputError, InvalidInputError (TextError with its place), NotReadyError, BackendError, and
    ClientGoneError or OverdueError between two parts of a long one.
    """
    service = services()
    texts = checked_texts(text, service.settings, key)
    encoder = service.ready_encoder()
    g.decode_s = time.perf_counter() - g.started
    truncate = service.settings.truncate if options.truncate is None else options.truncate
    try:
        found = encoder.encode(
            texts,
            normalize=options.normalize,
            truncate=truncate,
            pooling=options.pooling,
            bounds=_bounds(service.settings),
        )
    except InvalidInputError as error:
        where = f"$.{key}"
        if isinstance(error, TextError):
            where = place(key, text, error.index)
            error.message = f"{called(text, error.index)} {error.sentence}"
        error.details = {"where": where, **error.details}
        raise
    _record(found, texts)
    return found


def _bounds(settings: Settings) -> Bounds:
    """What a request may cost; our own server also tells whether anybody waits for it any more."""
    look = request.environ.get(LOOK, look_away)
    return Bounds(settings.max_request_tokens, settings.max_unpooled_numbers, look)


def respond(content: Any, found: Embeddings) -> Response:
    """The answer, with headers that tell which model made it, its tokens, each phase's time in ms, and what was cut."""
    started = time.perf_counter()
    response = json_response(content)
    headers = response.headers
    headers["X-Model-Fingerprint"] = found.fingerprint
    headers["X-Compute-Tokens"] = str(found.tokens)
    headers["X-Decode-Time"] = milliseconds(g.decode_s)
    headers["X-Tokenization-Time"] = milliseconds(found.tokenize_s)
    headers["X-Inference-Time"] = milliseconds(found.forward_s)
    headers["X-Encode-Time"] = milliseconds(time.perf_counter() - started)
    lost = sum(found.lost_tokens)
    if lost:
        headers["X-Truncated-Texts"] = str(sum(map(bool, found.lost_tokens)))
        headers["X-Truncated-Tokens"] = str(lost)
    return response


def _record(found: Embeddings, texts: list[str]) -> None:
    metrics = services().metrics
    cut, lost = sum(map(bool, found.lost_tokens)), sum(found.lost_tokens)
    metrics.texts_per_request.observe(len(texts))
    metrics.texts.inc(len(texts))
    metrics.tokens.inc(found.tokens)
    metrics.tokenize_seconds.observe(found.tokenize_s)
    metrics.forward_seconds.observe(found.forward_s)
    note(
        texts=len(texts),
        tokens=found.tokens,
        tokenize_ms=round(found.tokenize_s * 1000, 3),
        forward_ms=round(found.forward_s * 1000, 3),
    )
    if lost:
        metrics.truncated_texts.inc(cut)
        metrics.truncated_tokens.inc(lost)
        note(truncated_texts=cut, truncated_tokens=lost)
