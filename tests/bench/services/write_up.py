"""The write-up's FastAPI service: the model is loaded at import, before gunicorn forks."""

from __future__ import annotations

import os
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import SentenceTransformer

app = FastAPI()
model = SentenceTransformer(os.environ["BENCH_MODEL"], device="cpu")


class Query(BaseModel):
    text: str | list[str]


async def health() -> str:
    return "ok"


async def predict(query: Query) -> dict[str, Any]:
    texts = [query.text] if isinstance(query.text, str) else query.text
    return {"embeddings": model.encode(texts, show_progress_bar=False).tolist()}


app.get("/health")(health)
app.post("/predict")(predict)
