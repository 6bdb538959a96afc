"""OpenAI's routes, as its clients know them. Unknown keys are ignored, as there."""

from __future__ import annotations

import binascii
from typing import Annotated, Any, Literal

import msgspec
from flask import Blueprint, Response
from msgspec import Meta

from ...encoder import Embeddings, ModelInfo, Options
from ...request_errors import NoSuchModelError
from ..answers import json_response
from ..embedding import embed, respond, truncates
from ..route_notes import describes
from ..schemas import read_json
from ..services import services
from ..texts import Inputs, under

routes = Blueprint("openai", __name__)
CODES = {401: "invalid_api_key", 404: "unknown_url", 413: "request_too_large", 429: "rate_limit_exceeded"}


class Fault(msgspec.Struct):
    """What went wrong, and at which parameter."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenaiRefusal(msgspec.Struct):
    """An error."""

    error: Fault


class EmbeddingsRequest(msgspec.Struct):
    """The body of POST /v1/embeddings; prompt_name is our own."""

    input: Inputs
    model: str | None = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    user: str | None = None
    prompt_name: str | None = None


class Embedding(msgspec.Struct):
    """One text's vector; a string is base64."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Usage(msgspec.Struct):
    """Tokens; the last two where texts were cut."""

    prompt_tokens: int
    total_tokens: int
    truncated_texts: int | msgspec.UnsetType = msgspec.UNSET
    truncated_tokens: int | msgspec.UnsetType = msgspec.UNSET


class EmbeddingsAnswer(msgspec.Struct):
    """What POST /v1/embeddings answers."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


class Model(msgspec.Struct):
    """A model that is served."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    root: str


class Models(msgspec.Struct):
    """What GET /v1/models answers."""

    object: Literal["list"]
    data: list[Model]


@routes.post("/v1/embeddings")
@routes.post("/embeddings")
@describes(EmbeddingsAnswer, EmbeddingsRequest, refuses=(500, 503, 504), example={"input": ["Hello", "world"]})
def embeddings() -> Response:
    """Texts or token ids in, one vector a text out, as numbers or as base64 of little-endian float32.

    Whatever model is asked for, the one that is served answers, under its own name.
    """
    asked = read_json(EmbeddingsRequest)
    options = Options(
        normalize=True,
        truncate=truncates(None),
        prompt_name=asked.prompt_name,
        dimensions=asked.dimensions,
        takes_framed_ids_alone=True,
    )
    found = embed(under("input", asked.input), options, key="input")
    told = in_base64 if asked.encoding_format == "base64" else list
    data = [
        {"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(told(found.vectors))
    ]
    return respond({"object": "list", "data": data, "model": services().served_name, "usage": usage(found)})


@routes.get("/v1/models")
@routes.get("/models")
@describes(Models, refuses=(503,))
def models() -> Response:
    """The one model that is served."""
    return json_response({"object": "list", "data": [_model()]})


@routes.get("/v1/models/<path:name>")
@routes.get("/models/<path:name>")
@describes(Model, refuses=(404, 503))
def model(name: str) -> Response:
    """The model of that name. Raises NoSuchModelError if another is served."""
    if name not in (services().served_name, services().ready_encoder().info.model_id):
        raise NoSuchModelError(name, services().served_name)
    return json_response(_model())


def in_base64(vectors: Any) -> list[str]:
    """Each row's float32 numbers, little-endian."""
    return [binascii.b2a_base64(row.astype("<f4", copy=False), newline=False).decode("ascii") for row in vectors]


def usage(found: Embeddings) -> dict[str, int]:
    """Tokens, and, where texts were cut, how many texts and tokens."""
    told = {"prompt_tokens": found.tokens, "total_tokens": found.tokens}
    if found.cut_texts:
        told |= {"truncated_texts": found.cut_texts, "truncated_tokens": found.cut_tokens}
    return told


def refusal(sentence: str, _: str, status: int, *, where: str = "", **_details: Any) -> OpenaiRefusal:
    """An error as this dialect tells it: https://platform.openai.com/docs/guides/error-codes."""
    kind = "rate_limit_error" if status == 429 else "invalid_request_error" if status < 500 else "server_error"
    param = None if where in ("", "$") else where.removeprefix("$.")
    code = "model_not_found" if (status, param) == (404, "model") else CODES.get(status)
    return OpenaiRefusal(Fault(sentence, kind, param, code))


def _model() -> dict[str, Any]:
    info: ModelInfo = services().ready_encoder().info
    return {
        "id": services().served_name,
        "object": "model",
        "created": info.weights_modified_s,
        "owned_by": "serve-bert",
        "root": info.model_id,
    }
