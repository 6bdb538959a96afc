"""Pages of other origins: off by default, by name or for all, and what a browser asks first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Site

ORIGIN = "https://app.example.org"
ASKED_FIRST: dict[str, Any] = {
    "method": "OPTIONS",
    "headers": {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
    },
}


def test_without_the_setting_no_page_reads_an_answer(site: Site) -> None:
    for asked in ({"method": "GET", "headers": {"Origin": ORIGIN}}, ASKED_FIRST):
        answer = site.client.open("/predict", **asked)
        assert not [name for name in answer.headers.keys() if name.startswith("Access-Control")]  # noqa: SIM118


def test_without_the_setting_a_key_is_asked_for_first(make_site: Callable[..., Site]) -> None:
    assert make_site(BERT_API_KEY="k").client.open("/predict", **ASKED_FIRST).status_code == 401


@pytest.mark.parametrize(
    ("origins", "allowed"),
    [("*", "*"), (ORIGIN, ORIGIN), (f"https://other.example, {ORIGIN}", ORIGIN), ("https://other.example", None)],
)
def test_named_origins_may_read_and_send_a_key(
    make_site: Callable[..., Site], origins: str, allowed: str | None
) -> None:
    site = make_site(BERT_CORS_ORIGINS=origins, BERT_API_KEY="k")
    asked = site.client.open("/predict", **ASKED_FIRST)
    assert asked.status_code == 200, "a browser sends no key when it asks"
    assert asked.headers.get("Access-Control-Allow-Origin") == allowed
    headers = {"Origin": ORIGIN, "Authorization": "Bearer k"}
    answer = site.client.post("/predict", json={"text": "a"}, headers=headers)
    assert (answer.status_code, answer.headers.get("Access-Control-Allow-Origin")) == (200, allowed)
    assert "Origin" in answer.vary
    if allowed:
        assert "POST" in asked.headers["Access-Control-Allow-Methods"]
        assert asked.headers["Access-Control-Allow-Headers"] == "authorization,content-type,x-stainless-os"
        assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
    assert site.client.post("/predict", json={"text": "a"}, headers={"Origin": ORIGIN}).status_code == 401
