"""Text Embeddings Inference's routes that show what a text is to the model: its tokens, there and back."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Blueprint, Response

from ...encoder import Piece
from ...request_errors import InvalidInputError
from ..answers import as_json, json_response
from ..embedding import bounds_of_request, say_where
from ..route_notes import describes
from ..schemas import read_json
from ..services import services
from ..texts import NOT_EMPTY, Ids, NonEmptyTexts, TokenId, check, under

routes = Blueprint("tei_tokens", __name__)
REFUSES = (424, 503, 504)


class TokenizeRequest(msgspec.Struct):
    """The body of POST /tokenize."""

    inputs: NonEmptyTexts
    add_special_tokens: bool = True
    prompt_name: str | None = None


class DecodeRequest(msgspec.Struct):
    """The body of POST /decode."""

    ids: Annotated[list[TokenId | Ids], NOT_EMPTY]
    skip_special_tokens: bool = True


@routes.post("/tokenize")
@describes(list[list[Piece]], TokenizeRequest, refuses=REFUSES, example={"inputs": "Hello"})
def tokenize() -> Response:
    """Texts in, their tokens out, each with its place in bytes; nothing is cut."""
    asked = read_json(TokenizeRequest)
    given = under("inputs", asked.inputs)
    check(given, services().settings, "inputs")
    bounds, tokenizer = bounds_of_request(), services().ready_encoder().tokenizer
    told, tokens = [], 0
    try:
        for text in map(str, given.texts):
            pieces = tokenizer.pieces(text, prompt_name=asked.prompt_name, add_special_tokens=asked.add_special_tokens)
            tokens += len(pieces)
            bounds.check(tokens, 0)
            told.append(as_json(pieces))  # objects take several times their JSON
            bounds.look()
    except InvalidInputError as error:
        say_where(error, given, "inputs")
        raise
    return json_response(told)


@routes.post("/decode")
@describes(list[str], DecodeRequest, refuses=REFUSES, example={"ids": [101, 7592, 102]})
def decode() -> Response:
    """Token ids in, texts out."""
    asked = read_json(DecodeRequest)
    given = under("ids", asked.ids)
    check(given, services().settings, "ids")
    bounds, tokenizer = bounds_of_request(), services().ready_encoder().tokenizer
    texts = []
    for ids in given.texts:
        bounds.look()
        texts.append(tokenizer.decode([*map(int, ids)], skip_special_tokens=asked.skip_special_tokens))
    return json_response(texts)
