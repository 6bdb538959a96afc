"""What a request that cannot be answered is told: one shape, and what would be right."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Site
from tests.web.conftest import Capture

KEYS = "text, normalize, truncate, pooling"


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nope", 404, "NotFound"),
        ("GET", "/predict", 405, "MethodNotAllowed"),
        ("DELETE", "/info", 405, "MethodNotAllowed"),
        ("TRACE", "/", 405, "MethodNotAllowed"),
        ("BREW", "/predict", 405, "MethodNotAllowed"),
    ],
)
def test_every_error_has_one_shape(site: Site, method: str, path: str, status: int, kind: str) -> None:
    answer = site.client.open(path, method=method)
    assert (answer.status_code, answer.mimetype) == (status, "application/json")
    assert answer.json["error_type"] == kind
    assert set(answer.json) >= {"error", "error_type", "request_id"}
    assert (status != 405) or answer.headers["Allow"]


def test_an_unforeseen_failure_is_told_without_its_message(logged: Site, capsys: Capture) -> None:
    def fail() -> str:
        raise RuntimeError("the secret phrase")

    logged.app.add_url_rule("/fail", "fail", fail)
    answer = logged.client.get("/fail")
    assert (answer.status_code, answer.json["error_type"]) == (500, "Backend")
    captured = capsys.readouterr().err
    assert "secret" not in captured + answer.text
    assert json.loads(captured.splitlines()[0])["error_class"] == "RuntimeError"
    assert "test_errors.py" in captured


def test_a_browser_that_asks_first_is_told_the_methods_and_nothing_else(site: Site) -> None:
    answer = site.client.options("/predict")
    assert (answer.status_code, answer.data, set(answer.allow)) == (200, b"", {"POST", "OPTIONS"})
    assert "Content-Type" not in answer.headers


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("/predict", {"txt": "a"}, "Object contains unknown field `txt`; did you mean `text`?"),
        (
            "/predict",
            {"text": "a", "x": 1},
            f"Object contains unknown field `x`; this route takes {KEYS}",
        ),
        ("/predict", {"text": "a", "pooling": "mean"}, "Invalid enum value 'mean' at $.pooling: one of \"none\""),
        ("/predict", {"text": [1.5]}, "Expected `str`, got `float` at $.text[0]"),
        ("/rerank", {"texts": []}, "Object missing required field `query`; this route takes query, texts, raw_scores,"),
    ],
)
def test_what_would_be_right_is_said(site: Site, path: str, body: Any, sentence: str) -> None:
    assert sentence in site.client.post(path, json=body).json["error"]
