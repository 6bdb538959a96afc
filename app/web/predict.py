"""POST /predict: our own route, as the study had it."""

from __future__ import annotations

from flask import Blueprint, Response

from .embedding import Options, embed, respond
from .schemas import PredictRequest, read_json

routes = Blueprint("predict", __name__)


@routes.post("/predict")
def predict() -> Response:
    """Texts in, one vector a text out; with "pooling": "none" one vector a token."""
    asked = read_json(PredictRequest)
    found = embed(asked.text, Options(asked.normalize, asked.truncate, asked.pooling), key="text")
    return respond({"embeddings": found.vectors}, found)
