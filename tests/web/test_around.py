"""Hooks, errors, probes, information, metrics, the key, the page: what stands around the routes that embed."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from app import create_app, encoder, load_model, settings
from app.encoder import Checkpoint
from app.web import account
from tests.conftest import Site

KEYS = "text, normalize, truncate, pooling"
Capture = pytest.CaptureFixture[str]


def request_line(capsys: Capture) -> dict[str, object]:
    line: dict[str, object] = json.loads(capsys.readouterr().err.strip().splitlines()[-1])
    assert line["event"] == "request"
    return line


@pytest.fixture
def logged(capsys: Capture, make_site: Callable[..., Site]) -> Site:
    """A site whose log goes to the captured standard error, as JSON."""
    return make_site(BERT_LOG_FORMAT="json")


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


def test_the_name_of_a_key_is_logged_and_the_key_never(make_site: Callable[..., Site], capsys: Capture) -> None:
    site = make_site(BERT_API_KEY="search:alpha, beta, search:gamma,odd!:x", BERT_LOG_FORMAT="json")
    for key, name in (("alpha", "search"), ("beta", None), ("gamma", "search"), ("odd!:x", None)):
        answer = site.client.post("/predict", json={"text": "a"}, headers={"Authorization": f"Bearer {key}"})
        line = request_line(capsys)
        assert (answer.status_code, line.get("key_name")) == (200, name)
        assert key not in json.dumps(line)
    for wrong in ("search:alpha", "search", "", "odd"):
        answer = site.client.post("/predict", json={"text": "a"}, headers={"Authorization": f"Bearer {wrong}"})
        assert answer.status_code == 401, wrong


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
    assert "test_around.py" in captured


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


def metric(page: str, name: str, **labels: str) -> float:
    samples = [s for family in text_string_to_metric_families(page) for s in family.samples]
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


def test_the_first_scrape_shows_zeroes(site: Site) -> None:
    page = site.client.get("/metrics").text
    for status in ("200", "400", "413", "415", "422", "500", "503"):
        assert f'bert_requests_total{{method="POST",route="/predict",status="{status}"}} 0.0' in page
    for name in ("texts", "tokens", "truncated_texts", "truncated_tokens"):
        assert f"bert_{name}_total 0.0" in page
    for name in ("tokenize_seconds", "forward_seconds", "request_texts"):
        assert f"bert_{name}_count 0.0" in page
    assert 'bert_request_duration_seconds_count{route="/predict",status="2xx"} 0.0' in page
    for name in ("request_payload_bytes", "response_bytes"):
        assert f'bert_{name}_count{{route="/predict"}} 0.0' in page
    assert 'le="0.0005"' in page
    assert 'le="10.0"' in page


def test_requests_move_the_metrics(site: Site) -> None:
    body = json.dumps({"text": ["Hello", "word " * 300]}).encode()
    answer = site.client.post("/predict", data=body, content_type="application/json")
    site.predict(text="")
    page = site.client.get("/metrics").text
    assert metric(page, "bert_requests_total", route="/predict", method="POST", status="200") == 1
    assert metric(page, "bert_requests_total", route="/predict", method="POST", status="400") == 1
    assert metric(page, "bert_texts_total") == 2
    assert metric(page, "bert_tokens_total") == 259
    assert metric(page, "bert_truncated_texts_total") == 1
    assert metric(page, "bert_truncated_tokens_total") == 46
    assert metric(page, "bert_request_texts_sum") == 2
    assert metric(page, "bert_request_payload_bytes_sum", route="/predict") == len(body) + len(b'{"text": ""}')
    assert metric(page, "bert_response_bytes_sum", route="/predict") > len(answer.data)
    assert metric(page, "bert_request_duration_seconds_count", route="/predict") == 2
    assert metric(page, "bert_forward_seconds_sum") > metric(page, "bert_tokenize_seconds_sum") > 0
    assert metric(page, "bert_workers_ready") == 1
    assert metric(page, "bert_model_info", model="sentence-transformers/all-MiniLM-L6-v2", dimension="384") == 1
    info = site.client.get("/info").json  # which bits these are stands beside the fingerprint, there and here
    assert metric(page, "bert_model_info", **{name: info[name] for name in ("fingerprint", "isa", "sums")}) == 1
    assert info["sums"] == ("singles" if info["isa"] else "")
    assert metric(page, "bert_worker_pss_bytes", slot="0") > 1e7


def test_nothing_that_a_client_chooses_becomes_a_label(site: Site) -> None:
    def series() -> set[str]:
        lines = site.client.get("/metrics").text.splitlines()
        return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}

    def noise(number: int) -> None:
        site.client.get(f"/random/{number}", headers={"X-Request-Id": f"id{number}", "User-Agent": f"a{number}"})
        site.client.open(f"/predict?x={number}", method=f"M{number}")
        site.client.open(f"/path{number}", method=f"M{number}", headers={"Host": f"host{number}"})

    noise(0)
    site.client.get("/metrics")
    before = series()
    for number in range(1, 50):
        noise(number)
    assert series() == before


def test_a_scraper_may_prefer_openmetrics(site: Site) -> None:
    answer = site.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.mimetype == "application/openmetrics-text"
    assert answer.text.count("# EOF") == 1
    assert answer.text.endswith("# EOF\n")


def test_a_key_guards_all_but_probes_and_metrics(make_site: Callable[..., Site], capsys: Capture) -> None:
    guarded = make_site(BERT_API_KEY="alpha, beta", BERT_LOG_FORMAT="json")
    public = {"/livez", "/readyz", "/health", "/ping", "/metrics"}
    public |= {"/favicon.ico", "/assets/<name>", "/docs", "/docs/", "/openapi.json", "/api-doc/openapi.json"}
    assert make_site(BERT_API_KEY="alpha", BERT_METRICS_PUBLIC="false").client.get("/metrics").status_code == 401
    for rule in guarded.app.url_map.iter_rules():
        method = "POST" if "POST" in (rule.methods or set()) else "GET"
        answer = guarded.client.open(rule.rule, method=method, json={"text": "a"})
        is_public = rule.rule in public or (rule.rule, method) == ("/", "GET")
        assert (answer.status_code == 401) != is_public, rule.rule
        assert answer.headers.get("WWW-Authenticate") == (None if is_public else "Bearer")
    for header, status in [
        ("Bearer alpha", 200),
        ("bearer beta", 200),
        ("Bearer alph", 401),
        ("Bearer alpha, beta", 401),
        ("Bearer ", 401),
        ("alpha", 401),
        ("Basic alpha", 401),
        ("Bearer schlüssel", 401),
    ]:
        answer = guarded.client.post("/predict", json={"text": "a"}, headers={"Authorization": header})
        assert answer.status_code == status, header
        assert "alpha" not in answer.text
    assert "alpha" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (None, 'needs a key: send "Authorization: Bearer KEY"'),
        ("Basic alpha", "the Authorization that was sent has none: send"),
        ("Bearer beta", "does not know the key that was sent"),
        ("Bearer search:alpha", "knows the key that was sent, but without its name: send"),
        ("Bearer search:beta", "does not know the key that was sent"),
    ],
)
def test_what_is_wrong_with_a_key_is_told(make_site: Callable[..., Site], sent: str | None, sentence: str) -> None:
    client = make_site(BERT_API_KEY="search:alpha").client
    answer = client.post("/predict", json={"text": "a"}, headers={"Authorization": sent} if sent else {})
    assert answer.status_code == 401
    assert sentence in answer.get_json()["error"]


def test_a_browser_that_asks_first_is_told_the_methods_and_nothing_else(site: Site) -> None:
    answer = site.client.options("/predict")
    assert (answer.status_code, answer.data, set(answer.allow)) == (200, b"", {"POST", "OPTIONS"})
    assert "Content-Type" not in answer.headers


def test_a_wrong_method_is_counted_by_its_route(site: Site) -> None:
    site.client.get("/predict")
    site.client.get("/nope")
    page = site.client.get("/metrics").text
    assert metric(page, "bert_requests_total", route="/predict", method="GET", status="405") == 1
    assert metric(page, "bert_requests_total", route="unmatched", status="404") == 1


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


def test_milliseconds_keep_microseconds() -> None:
    assert account.milliseconds(0.0023184) == "2.318"


def test_long_answers_are_compressed_for_those_who_take_it(make_site: Callable[..., Site], capsys: Capture) -> None:
    site = make_site(BERT_COMPRESS_BYTES="1000", BERT_LOG_FORMAT="json")
    plain = site.client.post("/predict", json={"text": "a"}, headers={"Accept-Encoding": "gzip;q=0, br"})
    assert "Content-Encoding" not in plain.headers
    capsys.readouterr()
    packed = site.client.post("/predict", json={"text": "a"}, headers={"Accept-Encoding": "br, gzip, deflate"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.data) == plain.data
    assert int(packed.headers["Content-Length"]) == len(packed.data) == request_line(capsys)["response_bytes"]
    assert "X-Compute-Tokens" in packed.headers
    short = site.client.post("/predict", json={"text": ""}, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in short.headers
    unasked = make_site().client.post("/predict", json={"text": "a"}, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in unasked.headers
