"""Text Embeddings Inference's routes (1.9), as its clients know them. Unknown keys are ignored, as there.

Where it differs from what was recorded of a real one, tests/live/tei_differences.py has the reason.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from flask import Blueprint, Response
from msgspec import Meta

from ...encoder import Options, Side
from ...request_errors import EmptyInputError
from ..embedding import embed, respond, truncates
from ..route_notes import describes
from ..schemas import read_json
from ..texts import NOT_EMPTY, Inputs, NonEmpty, Texts, under

routes = Blueprint("tei", __name__)
Vectors = list[list[float]]
REFUSES = (500, 503, 504)
Direction = Literal["left", "right", "Left", "Right"]
SIDES: dict[str, Side] = {"left": "left", "right": "right"}


class TeiRefusal(msgspec.Struct, omit_defaults=True):
    """An error, with where it is as a JSON path, and numbers that bear on it."""

    error: str
    error_type: str
    where: str | None = None
    tokens: int | None = None
    max_tokens: int | None = None
    max_request_tokens: int | None = None
    numbers: int | None = None
    max_unpooled_numbers: int | None = None
    max_body_bytes: int | None = None
    request_id: str = ""


class Parameters(msgspec.Struct):
    """How texts are read."""

    truncate: bool | None = None
    truncation_direction: Direction | None = None
    prompt_name: str | None = None


class EmbedAllRequest(Parameters, kw_only=True):
    """The body of POST /embed_all and /embed_sparse."""

    inputs: Inputs


class EmbedOptions(Parameters):
    """How texts are read, and what their vectors are like."""

    normalize: bool = True
    dimensions: Annotated[int, Meta(ge=1)] | None = None


class EmbedRequest(EmbedOptions, kw_only=True):
    """The body of POST /embed."""

    inputs: Inputs


class Sentences(msgspec.Struct):
    """A sentence, and others that it is compared with."""

    source_sentence: NonEmpty
    sentences: Annotated[list[NonEmpty], NOT_EMPTY]


class SimilarityRequest(msgspec.Struct):
    """The body of POST /similarity."""

    inputs: Sentences
    parameters: Parameters | None = None


class RootRequest(EmbedOptions, kw_only=True):
    """The body of POST /: of /embed or of /similarity, by the form of its inputs."""

    inputs: Inputs | Sentences
    parameters: Parameters | None = None


@routes.post("/embed")
@describes(Vectors, EmbedRequest, refuses=REFUSES, example={"inputs": ["Hello", "world"]})
def embed_texts() -> Response:
    """Texts or token ids in, a list with one vector a text out."""
    return _embed(read_json(EmbedRequest))


@routes.post("/embed_all")
@describes(list[Vectors], EmbedAllRequest, refuses=REFUSES, example={"inputs": "Hello"})
def embed_all() -> Response:
    """Texts or token ids in, one vector a token out."""
    asked = read_json(EmbedAllRequest)
    options = _options(asked, pooling="none")
    return respond(embed(under("inputs", asked.inputs), options, key="inputs").vectors)


@routes.post("/similarity")
@describes(
    list[float],
    SimilarityRequest,
    refuses=REFUSES,
    example={"inputs": {"source_sentence": "a happy person", "sentences": ["a happy dog", "a sunny day"]}},
)
def similarity() -> Response:
    """The cosine of a sentence to each of some others."""
    asked = read_json(SimilarityRequest)
    return _similarity(asked.inputs, asked.parameters)


@routes.post("/")
@routes.post("/invocations")
@describes(list[float | list[float]], RootRequest, refuses=REFUSES, example={"inputs": "Hello"})
def root() -> Response:
    """What /embed takes, or what /similarity takes; SageMaker knows it as /invocations."""
    asked = read_json(RootRequest)
    if isinstance(asked.inputs, Sentences):
        return _similarity(asked.inputs, asked.parameters)
    return _embed(asked)


def refusal(sentence: str, error_type: str, _status: int, **details: Any) -> TeiRefusal:
    """An error as this dialect tells it, with details of ours."""
    return TeiRefusal(sentence, error_type, **details)


def _embed(asked: Any) -> Response:
    options = _options(asked, normalize=asked.normalize, dimensions=asked.dimensions)
    return respond(embed(under("inputs", asked.inputs), options, key="inputs").vectors)


def _similarity(inputs: Sentences, parameters: Parameters | None) -> Response:
    if not inputs.sentences:
        raise EmptyInputError("sentences is an empty list", where="$.inputs.sentences")
    given = Texts([inputs.source_sentence, *inputs.sentences], "batch", _sentence_place, _sentence_called)
    options = _options(parameters or Parameters(), normalize=True)
    source, *others = embed(given, options, key="inputs", options_at="$.parameters").vectors
    return respond([float((source * other).sum()) for other in others])


def _sentence_place(index: int) -> str:
    return f"$.inputs.sentences[{index - 1}]" if index else "$.inputs.source_sentence"


def _sentence_called(index: int) -> str:
    return f"sentence {index - 1}" if index else "the source sentence"


def _options(asked: Parameters, **more: Any) -> Options:
    side = SIDES[asked.truncation_direction.lower()] if asked.truncation_direction else None
    return Options(truncate=truncates(asked.truncate), cut_side=side, prompt_name=asked.prompt_name, **more)
