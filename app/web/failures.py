"""Every failure as JSON, in the form of the dialect that was spoken, with the right status: a sentence, and where."""

from __future__ import annotations

import msgspec
import structlog
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from ..fleet.logs import frames
from ..request_errors import BackendError, RequestError, UnauthorizedError
from .account import account
from .dialects import dialect_of

# Sentences for what Flask and Werkzeug refuse before a route is reached.
SENTENCES = {
    404: "there is no such path; GET / lists what there is",
    405: "this path does not take this method; the Allow header lists those it takes",
    400: "the request could not be read to its end",
}
KINDS = {404: "NotFound", 405: "MethodNotAllowed"}
log = structlog.get_logger("serve-bert")


def init_app(app: Flask) -> None:
    """Answer our errors, Werkzeug's and unforeseen ones in one shape."""
    app.register_error_handler(RequestError, answer_own)
    app.register_error_handler(HTTPException, answer_http)
    app.register_error_handler(Exception, answer_unforeseen)


def answer_own(error: RequestError) -> Response:
    """A request that we refused, or could not answer, and know why."""
    account().fail(error)
    response = _answer(_body(error.message, error.error_type, error.status, **error.details), error.status)
    if isinstance(error, UnauthorizedError):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def answer_http(error: HTTPException) -> Response:
    """A refusal of Werkzeug's: its status and headers (Allow, Location), our body."""
    told = account()
    told.failure = "http"
    base = error.get_response()
    status = base.status_code
    response = Response(status=status, headers=[pair for pair in base.headers if pair[0] != "Content-Length"])
    sentence = SENTENCES.get(status) or str(error.description or error.name)
    told.error_type = KINDS.get(status, "Validation" if status < 500 else "Backend")
    response.data = _body(sentence, told.error_type, status)
    response.mimetype = "application/json"
    return response


def answer_unforeseen(error: Exception) -> Response:
    """A defect of ours. The log gets where it happened, but no message: that might quote the text."""
    told = account()
    told.failure, told.error_type = "unforeseen", BackendError.error_type
    log.error("unforeseen", request_id=told.request_id, error_class=type(error).__name__, frames=frames(error))
    sentence = "the service failed on this request; its log says where, under this X-Request-Id"
    return _answer(_body(sentence, BackendError.error_type, 500), 500)


def told(path: str, error: RequestError, request_id: str) -> bytes:
    """The body that tells an error where `path` is asked."""
    refusal = dialect_of(path).refusal
    return msgspec.json.encode(refusal(error.message, error.error_type, error.status, request_id=request_id))


def _answer(body: bytes, status: int) -> Response:
    return Response(body, status=status, mimetype="application/json")


def _body(sentence: str, kind: str, status: int, **details: str | int) -> bytes:
    refusal = dialect_of(request.path).refusal
    return msgspec.json.encode(refusal(sentence, kind, status, **details, request_id=account().request_id))
