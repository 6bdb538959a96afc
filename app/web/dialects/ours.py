"""Our own route, as the study had it. Unknown keys are refused."""

from __future__ import annotations

from typing import Literal

import msgspec
from flask import Blueprint, Response

from ...encoder import Options
from ..embedding import embed, respond, truncates
from ..route_notes import describes
from ..schemas import read_json_by_key
from ..texts import NonEmptyTexts, under
from . import tei_scores

routes = Blueprint("ours", __name__)


class PredictRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /predict."""

    text: NonEmptyTexts
    normalize: bool | None = None
    truncate: bool | None = None
    pooling: Literal["none"] | None = None


class PredictAnswer(msgspec.Struct):
    """A vector a text; with "pooling": "none" a list of a vector a token, for each text."""

    embeddings: list[list[float | list[float]]]


@routes.post("/predict")
@describes(
    PredictAnswer,
    PredictRequest,
    tei_scores.ClassifyRequest,
    refuses=(424, 500, 503, 504),
    example={"text": ["Hello", "world"]},
)
def predict() -> Response:
    """Texts in, one vector a text out; with "pooling": "none" one vector a token.

    With "inputs" instead of "text" it is Text Embeddings Inference's question for a class.
    """
    asked = read_json_by_key(PredictRequest, "text", {"inputs": tei_scores.ClassifyRequest})
    if not isinstance(asked, PredictRequest):
        return tei_scores.classify(asked)
    options = Options(normalize=asked.normalize, truncate=truncates(asked.truncate), pooling=asked.pooling)
    return respond({"embeddings": embed(under("text", asked.text), options, key="text").vectors})
