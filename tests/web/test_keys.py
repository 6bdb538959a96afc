"""API keys: what they guard, what is told to who has none, and that none is ever logged."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.conftest import Site
from tests.web.conftest import Capture, request_line


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
