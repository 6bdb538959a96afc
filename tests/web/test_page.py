"""The pages for people, as far as they can be read without a browser; tests/page has one."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urljoin

import pytest

from app.web.page import ASSETS
from tests.conftest import Site

MOST_BYTES = 60_000
LINKED = re.compile(r"""(?:src|href)="([^"#]+)["#]""")
IMPORTED = re.compile(r"""^import .* from "\./([\w.]+)";$""", re.MULTILINE)


def test_the_page_names_the_model(site: Site) -> None:
    answer = site.client.get("/")
    assert answer.mimetype == "text/html"
    assert "sentence-transformers/all-MiniLM-L6-v2" in answer.text
    assert 'data-cut-side="right"' in answer.text


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/"])
def test_a_page_loads_nothing_but_ours_and_all_of_it_is_there(site: Site, path: str) -> None:
    answer = site.client.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|<script(?![^>]* src=)|\bstyle=|\bon\w+=", answer.text), "nothing within"
    links = LINKED.findall(answer.text)
    assert len(links) >= 4
    for link in links:
        assert not link.startswith(("http", "/")), "it may stand behind a prefix"
        assert site.client.get(urljoin(path, link)).status_code == 200, link


def test_the_assets_are_public_and_need_nothing_from_elsewhere(make_site: Callable[..., Site]) -> None:
    client = make_site(BERT_API_KEY="k").client
    for name in ASSETS:
        answer = client.get(f"/assets/{name}")
        assert answer.status_code == 200
        assert answer.mimetype == ("text/css" if name.endswith(".css") else "text/javascript")
        assert set(IMPORTED.findall(answer.text)) <= set(ASSETS)
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", answer.text), name
        assert client.get(f"/assets/{name}", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("name", ["none.js", "..%2Fpage.py", "../page.py", "%2e%2e/page.py"])
def test_nothing_else_is_given_away(site: Site, name: str) -> None:
    answer = site.client.get(f"/assets/{name}")
    assert answer.status_code == 404
    assert answer.get_json()["error"]


def test_they_are_small(site: Site) -> None:
    pages = sum(len(site.client.get(path).data) for path in ("/", "/docs"))
    assert pages + sum(map(len, ASSETS.values())) < MOST_BYTES


def test_the_icon(site: Site) -> None:
    icon = site.client.get("/favicon.ico")
    assert (icon.status_code, icon.mimetype) == (200, "image/svg+xml")
