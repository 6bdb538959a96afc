"""What a request costs in each dialect, in CPU-ms, beside the same request to /predict and /predict beside itself.

    .venv/bin/python -m tests.bench.dialects

In one process, beside real forwards, the dialects in turn request by request in an order that chance makes, so that
whatever the neighbours do meets all of them. A ratio is of medians; in brackets what 95 of 100 draws of it give.
ROUNDS in the environment makes it shorter.
"""

from __future__ import annotations

import io
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

from flask import Flask

from app import create_app, encoder, settings
from app.fleet import threads
from app.web.services import Services

ROUNDS = int(os.environ.get("ROUNDS", "1500"))
DRAWS = 400
TEXT = "How do I reset my password? I forgot it and the mail never came, what now?"
SIZES = {"one text": (TEXT, 1), "64 short texts": ([f"w{number}" for number in range(64)], 5)}
Body = tuple[str, bytes]


def application() -> Flask:
    """With the real model, logging to nowhere."""
    app = create_app(settings.load({"BERT_LOG_FORMAT": "json"}))
    services: Services = app.extensions[Services.NAME]
    services.encoder = encoder.open_encoder(encoder.verify_and_plan(services.settings))
    return app


def bodies(texts: str | Sequence[str]) -> dict[str, Body]:
    """A request of the same texts in each dialect."""
    openai = {"input": texts, "model": "any"}
    asked: dict[str, tuple[str, Any]] = {
        "/predict": ("/predict", {"text": texts}),
        "/predict again": ("/predict", {"text": texts}),
        "/embed": ("/embed", {"inputs": texts}),
        "/v1/embeddings, float": ("/v1/embeddings", openai | {"encoding_format": "float"}),
        "/v1/embeddings, base64": ("/v1/embeddings", openai | {"encoding_format": "base64"}),
    }
    return {name: (path, json.dumps(body).encode()) for name, (path, body) in asked.items()}


def cpu_ms(app: Flask, path: str, body: bytes) -> float:
    """Of one request, as a WSGI server hands it over (PEP 3333)."""
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "SERVER_NAME": "bench",
        "SERVER_PORT": "0",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
    }
    statuses: list[str] = []
    began_ns = time.thread_time_ns()
    for _ in app(environ, lambda status, *_: statuses.append(status)):  # type: ignore[arg-type]
        pass
    took_ms = (time.thread_time_ns() - began_ns) / 1e6
    if statuses != ["200 OK"]:
        raise RuntimeError(f"{path}: {statuses}")
    return took_ms


def main() -> None:
    """Measure, and print a line for each size and dialect."""
    threads.pin()
    app = application()
    for size, (texts, divisor) in SIZES.items():
        asked = bodies(texts)
        took: dict[str, list[float]] = {name: [] for name in asked}
        for number in range(-20, ROUNDS // divisor):
            for name in random.sample(list(asked), len(asked)):
                found = cpu_ms(app, *asked[name])
                took[name] += [found] if number >= 0 else []
        for name, found_ms in took.items():
            low, high = interval(found_ms, took["/predict"])
            ratio = statistics.median(found_ms) / statistics.median(took["/predict"])
            sys.stdout.write(
                f"{size:16}{name:24}{statistics.median(found_ms):8.3f} ms  {ratio:.3f} [{low:.3f}, {high:.3f}]\n"
            )


def interval(some: list[float], others: list[float]) -> tuple[float, float]:
    """Of the ratio of medians, with rounds drawn anew."""
    ratios = []
    for _ in range(DRAWS):
        drawn = random.choices(range(len(some)), k=len(some))
        ratios.append(
            statistics.median(some[place] for place in drawn) / statistics.median(others[place] for place in drawn)
        )
    ratios.sort()
    return ratios[DRAWS // 40], ratios[-DRAWS // 40]


if __name__ == "__main__":
    main()
