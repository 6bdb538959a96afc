"""Text Embeddings Inference's routes of other models than encoders: all answer 424, after its own checks of the form.

A scorer that stands beside the encoder one day is asked here.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Blueprint, Response

from ...request_errors import EmptyInputError, InvalidInputError, WrongModelError
from ..account import account
from ..route_notes import describes
from ..schemas import read_json
from ..services import services
from ..texts import NOT_EMPTY
from .tei import EmbedAllRequest

routes = Blueprint("tei_scores", __name__)


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
    return WrongModelError(
        f'{model} is an embedding model: it gives a vector for a text ("inputs" to /embed, or "text" to /predict), '
        f"and is not {wanted}"
    )
