"""The one line that a request leaves in the log: what stands in it, how grave it is, and what never does."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any

import pytest

from app.web import account
from tests.conftest import Site
from tests.web.conftest import Capture, metric, request_line


def test_one_line_a_request_without_the_text(logged: Site, capsys: Capture) -> None:
    answer = logged.predict(text=["a secret phrase", "word " * 300])
    captured = capsys.readouterr().err
    assert len(captured.strip().splitlines()) == 1
    assert "secret" not in captured
    line = json.loads(captured)
    assert line["route"] == line["path"] == "/predict"
    assert (line["method"], line["status"], line["texts"]) == ("POST", 200, 2)
    assert line["response_bytes"] == len(answer.data)
    assert line["tokens"] == int(answer.headers["X-Compute-Tokens"])
    assert (line["truncated_texts"], line["truncated_tokens"]) == (1, 46)
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert line["total_ms"] >= line["tokenize_ms"] + line["forward_ms"] > 0


def test_payload_is_what_was_really_read(logged: Site, capsys: Capture) -> None:
    body = json.dumps({"text": "Hello"}).encode()
    logged.client.post("/predict", data=body, content_type="application/json")
    assert request_line(capsys)["payload_bytes"] == len(body)
    logged.client.post("/nope", data=body, content_type="application/json")
    assert request_line(capsys)["payload_bytes"] == 0


def test_a_sane_request_id_is_kept_and_any_other_replaced(logged: Site, capsys: Capture) -> None:
    answer = logged.client.get("/info", headers={"X-Request-Id": "trace:abc-1"})
    assert answer.headers["X-Request-Id"] == request_line(capsys)["request_id"] == "trace:abc-1"
    for given in ("", "two words", "x" * 129, 'quote"', "ümlaut", "a\x1b[31m"):
        answer = logged.client.get("/livez", headers={"X-Request-Id": given})
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-Id"])


def test_a_path_cannot_forge_a_line(logged: Site, capsys: Capture) -> None:
    logged.client.get("/a%0A%1b[31mforged%E2%80%AE")
    line = request_line(capsys)
    assert line["path"] == "/a%0A%1B%5B31mforged%E2%80%AE"
    assert line["route"] == "unmatched"


def test_console_lines_are_for_people(make_site: Callable[..., Site], capsys: Capture) -> None:
    make_site(BERT_LOG_FORMAT="console").client.get("/info")
    assert "route=/info" in capsys.readouterr().err


def test_log_level_silences_request_lines(make_site: Callable[..., Site], capsys: Capture) -> None:
    make_site(BERT_LOG_LEVEL="warning").client.get("/info")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("method", "path", "body", "level"),
    [
        ("POST", "/predict", {"text": "a"}, "info"),
        ("POST", "/predict", {"text": ""}, "warning"),
        ("POST", "/predict", {"text": 1}, "warning"),
        ("GET", "/nope", None, "warning"),
        ("GET", "/metrics", None, "debug"),
        ("GET", "/livez", None, "debug"),
        ("GET", "/readyz", None, "debug"),
        ("PUT", "/readyz", None, "warning"),
    ],
)
def test_a_line_is_as_grave_as_what_came_of_the_request(
    make_site: Callable[..., Site], capsys: Capture, method: str, path: str, body: Any, level: str
) -> None:
    make_site(BERT_LOG_FORMAT="json", BERT_LOG_LEVEL="debug").client.open(path, method=method, json=body)
    assert request_line(capsys)["level"] == level


def test_a_failure_of_ours_is_an_error(logged: Site, capsys: Capture) -> None:
    logged.services.encoder = None
    logged.predict(text="a")
    assert request_line(capsys)["level"] == "error"
    logged.client.get("/readyz")
    assert capsys.readouterr().err == "", "a probe's answer, of which what made the worker unready is told"


@pytest.mark.parametrize(
    ("body", "kind", "error_type", "error"),
    [
        (b'{"text": ""}', "empty_input", "Empty", "the text is empty"),
        (b'{"text": 1}', "invalid_input", "Validation", "Expected `str | array`, got `int` at $.text"),
        (
            b"{}",
            "invalid_input",
            "Validation",
            "Object missing required field `text`; this route takes text, normalize, truncate, pooling",
        ),
        (b"{", "malformed_body", "Validation", "the body is no JSON: Input data was truncated"),
        (b'{"text": "a", "the secret phrase": 1}', "invalid_input", "Validation", None),
        (b'{"text": "\\ud800"}', "malformed_body", "Validation", None),
        (b'{"text": "a", "pooling": "the secret phrase"}', "invalid_input", "Validation", None),
    ],
)
def test_why_a_request_was_refused_is_logged_but_nothing_of_its_body(
    logged: Site, capsys: Capture, body: bytes, kind: str, error_type: str, error: str | None
) -> None:
    logged.client.post("/predict", data=body, content_type="application/json")
    captured = capsys.readouterr().err
    assert "secret" not in captured
    line = json.loads(captured)
    assert (line["failure"], line["error_type"], line.get("error")) == (kind, error_type, error)
    assert metric(logged.client.get("/metrics").text, "bert_errors_total", error_type=error_type) == 1


def test_a_line_says_who_asked_and_what_it_took(logged: Site, capsys: Capture) -> None:
    answer = logged.client.post("/predict", json={"text": "a"}, headers={"User-Agent": "curl/8 " + "x" * 1000})
    line = request_line(capsys)
    assert list(line)[:4] == ["timestamp", "level", "event", "pid"]
    assert line["user_agent"] == "curl/8 " + "x" * 93
    assert (line["pid"], line["fingerprint"]) == (os.getpid(), answer.headers["X-Model-Fingerprint"])
    assert all(line[name] for name in ("decode_ms", "tokenize_ms", "forward_ms", "encode_ms"))


def test_words_that_the_vocabulary_has_not_are_told(logged: Site, capsys: Capture) -> None:
    """One that has more than 100 characters, too: all such have the same vector."""
    answer = logged.predict(text=["x" * 101, "\U00012000 and \U00012001", "known"])
    assert answer.headers["X-Unknown-Tokens"] == "3"
    assert request_line(capsys)["unknown_tokens"] == 3
    assert metric(logged.client.get("/metrics").text, "bert_unknown_tokens_total") == 3
    assert "X-Unknown-Tokens" not in logged.predict(text="known").headers


def test_texts_in_which_nothing_is_found_are_told(logged: Site, capsys: Capture) -> None:
    """All such have the same vector."""
    answer = logged.predict(text=[" ", "known", "\u200b"])
    first, _, last = answer.get_json()["embeddings"]
    assert first == last
    assert answer.headers["X-Empty-Texts"] == "2"
    assert request_line(capsys)["empty_texts"] == 2
    assert metric(logged.client.get("/metrics").text, "bert_empty_texts_total") == 2
    assert "X-Empty-Texts" not in logged.predict(text="known").headers


def test_milliseconds_keep_microseconds() -> None:
    assert account.milliseconds(0.0023184) == "2.318"
