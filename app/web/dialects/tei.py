"""Text Embeddings Inference's routes (1.9), as its clients know them. Unknown keys are ignored, as there.

Where it differs from what was recorded of a real one, tests/live/tei_differences.py has the reason.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from flask import Blueprint, Response
from msgspec import Meta

from ...encoder import Options, Piece, Side
from ...errors import EmptyInputError, InvalidInputError, WrongModelError
from ..account import account
from ..answers import as_json, json_response
from ..described import describes
from ..embedding import bounds_of_request, embed, respond, say_where, truncates
from ..schemas import read_json
from ..services import services
from ..texts import NOT_EMPTY, Ids, Inputs, NonEmpty, NonEmptyTexts, Texts, TokenId, check, under

routes = Blueprint("tei", __name__)
Vectors = list[list[float]]
BUSY = (503, 504)
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


class TokenizeRequest(msgspec.Struct):
    """The body of POST /tokenize."""

    inputs: NonEmptyTexts
    add_special_tokens: bool = True
    prompt_name: str | None = None


class DecodeRequest(msgspec.Struct):
    """The body of POST /decode."""

    ids: Annotated[list[TokenId | Ids], NOT_EMPTY]
    skip_special_tokens: bool = True


class ClassifyRequest(msgspec.Struct):
    """The body of POST /predict of a classifier: a text, a pair, or a list of lists of one or two."""

    inputs: str | list[str | list[str]]
    raw_scores: bool = False
    truncate: bool | None = None


class RerankRequest(msgspec.Struct):
    """The body of POST /rerank."""

    query: str
    texts: Annotated[list[str], NOT_EMPTY]
    raw_scores: bool = False
    return_text: bool = False
    truncate: bool | None = None


class Weight(msgspec.Struct):
    """One number of a sparse vector."""

    index: int
    value: float


class Rank(msgspec.Struct):
    """A text's relevance."""

    index: int
    score: float


@routes.post("/embed")
@describes(Vectors, EmbedRequest, refuses=BUSY, example={"inputs": ["Hello", "world"]})
def embed_texts() -> Response:
    """Texts or token ids in, a list with one vector a text out."""
    return _embed(read_json(EmbedRequest))


@routes.post("/embed_all")
@describes(list[Vectors], EmbedAllRequest, refuses=BUSY, example={"inputs": "Hello"})
def embed_all() -> Response:
    """Texts or token ids in, one vector a token out."""
    asked = read_json(EmbedAllRequest)
    options = _options(asked, pooling="none")
    return respond(embed(under("inputs", asked.inputs), options, key="inputs").vectors)


@routes.post("/similarity")
@describes(
    list[float],
    SimilarityRequest,
    refuses=BUSY,
    example={"inputs": {"source_sentence": "a happy person", "sentences": ["a happy dog", "a sunny day"]}},
)
def similarity() -> Response:
    """The cosine of a sentence to each of some others."""
    asked = read_json(SimilarityRequest)
    return _similarity(asked.inputs, asked.parameters)


@routes.post("/")
@routes.post("/invocations")
@describes(list[float | list[float]], RootRequest, refuses=BUSY, example={"inputs": "Hello"})
def root() -> Response:
    """What /embed takes, or what /similarity takes; SageMaker knows it as /invocations."""
    asked = read_json(RootRequest)
    if isinstance(asked.inputs, Sentences):
        return _similarity(asked.inputs, asked.parameters)
    return _embed(asked)


@routes.post("/tokenize")
@describes(list[list[Piece]], TokenizeRequest, refuses=(424, *BUSY), example={"inputs": "Hello"})
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
@describes(list[str], DecodeRequest, refuses=(424, *BUSY), example={"ids": [101, 7592, 102]})
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


@routes.post("/embed_sparse")
@describes(list[list[Weight]], EmbedAllRequest, refuses=(424, 503))
def embed_sparse() -> Response:
    """Sparse vectors, of a SPLADE model; this one is none."""
    read_json(EmbedAllRequest)
    raise other_model("a SPLADE model, which has sparse vectors")


@routes.post("/rerank")
@describes(list[Rank], RerankRequest, refuses=(424, 503))
def rerank() -> Response:
    """Texts by their relevance to a query, of a re-ranker; this model is none."""
    if not read_json(RerankRequest).texts:
        raise EmptyInputError("texts is an empty list", where="$.texts")
    raise other_model("a re-ranker, which scores pairs")


def classify(asked: ClassifyRequest) -> Response:
    """Classes of texts or pairs, of a classifier; this model is none."""
    inputs = asked.inputs
    if isinstance(inputs, list):
        is_pair = len(inputs) == 2 and all(isinstance(one, str) for one in inputs)
        if not is_pair and not (inputs and all(isinstance(one, list) and len(one) in (1, 2) for one in inputs)):
            raise InvalidInputError(
                "inputs is a text, a pair of texts, or a list of lists of one text or two", where="$.inputs"
            )
    raise other_model("a classifier, which has labels")


def other_model(wanted: str) -> WrongModelError:
    """What is raised until a scorer stands beside the encoder."""
    account().form = "single"
    model = services().ready_encoder().info.model_id
    return WrongModelError(f"{model} is an embedding model: it gives a vector for a text, and is not {wanted}")


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
