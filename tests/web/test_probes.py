"""Alive, ready, and what is served."""

from __future__ import annotations

from typing import Any

from flask import Flask

from app import create_app, encoder, load_model, settings
from app.encoder import Checkpoint
from tests.conftest import Site


def test_a_worker_without_a_model_is_alive_but_not_ready() -> None:
    client: Any = create_app(settings.load({})).test_client()
    assert client.get("/livez").status_code == 200
    for path in ("/readyz", "/info", "/"):
        answer = client.get(path)
        assert (answer.status_code, answer.json["error_type"]) == (503, "Unhealthy")
    assert client.post("/predict", json={"text": "a"}).status_code == 503
    assert client.get("/metrics").status_code == 200


def test_a_stopping_worker_is_not_ready_but_answers_what_is_in(site: Site) -> None:
    assert site.client.get("/readyz").json == {"status": "ready"}
    site.services.readiness.stop()
    assert site.client.get("/readyz").status_code == 503
    assert site.predict(text="a").status_code == 200


def test_load_model_makes_an_application_ready(checkpoint: Checkpoint) -> None:
    app: Flask = create_app(settings.load({}))
    load_model(app, encoder.plan(checkpoint))
    assert app.test_client().get("/readyz").status_code == 200


def test_info_tells_what_is_served(site: Site, checkpoint: Checkpoint) -> None:
    info = site.client.get("/info").json
    assert info["model_id"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert info["sha256"] == checkpoint.sha256
    assert info["fingerprint"] == encoder.plan(checkpoint).model.fingerprint
    assert (info["dimension"], info["max_tokens"], info["pooling"]) == (384, 256, "mean")
    assert info["engine"] == site.services.ready_encoder().info.engine
    assert info["precision"] == "float32"
    assert info["versions"]["torch"].startswith("2.13.0")
