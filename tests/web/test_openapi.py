"""The one description: every route stands in it, and it is made of what validates."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from app.settings import load
from app.web.openapi import description
from tests.conftest import Site


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from [value["$ref"]] if "$ref" in value else []
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def test_every_route_stands_in_it(make_site: Callable[..., Site]) -> None:
    site = make_site(BERT_API_KEY="alpha", BERT_STATE="shared")
    api = site.client.get("/openapi.json").json
    served = {
        (re.sub(r"<(?:path:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in site.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(path, method) for path, told in api["paths"].items() for method in told} == served
    assert {"/admin/reload", "/v1/embeddings", "/embed", "/predict"} <= set(api["paths"])
    assert api["paths"]["/predict"]["post"]["security"] == [{"key": []}]
    assert "security" not in api["paths"]["/livez"]["get"]
    assert all(told["summary"] for path in api["paths"].values() for told in path.values())


def test_a_route_that_says_nothing_of_itself_is_a_defect() -> None:
    app = Flask("bare")
    app.add_url_rule("/bare", view_func=lambda: "")
    with app.app_context(), pytest.raises(AttributeError, match="described"):
        description(app, load({}))


def test_it_leads_nowhere_else(site: Site) -> None:
    api = site.client.get("/openapi.json").json
    names = {f"#/components/schemas/{name}" for name in api["components"]["schemas"]}
    assert set(references(api)) <= names
    taken = api["components"]["schemas"]["EmbedRequest"]
    assert (taken["required"], taken["properties"]["normalize"]) == (["inputs"], {"type": "boolean", "default": True})


def test_its_examples_are_answered(site: Site) -> None:
    api = site.client.get("/openapi.json").json
    asked = 0
    for path, told in api["paths"].items():
        example = (
            told.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        )
        if example:
            assert site.client.post(path, json=example).status_code == 200, path
            asked += 1
    assert asked >= 8
