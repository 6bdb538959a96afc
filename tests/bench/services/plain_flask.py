"""Plain Flask around `SentenceTransformer.encode`."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, request
from sentence_transformers import SentenceTransformer

app = Flask(__name__)
model = SentenceTransformer(os.environ["BENCH_MODEL"], device="cpu")


@app.get("/health")
def health() -> str:
    return "ok"


@app.post("/predict")
def predict() -> Any:
    text = request.get_json()["text"]
    texts = [text] if isinstance(text, str) else text
    return {"embeddings": model.encode(texts, show_progress_bar=False).tolist()}
