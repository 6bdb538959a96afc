"""One description of all that is served, made of the schemas that validate: OpenAPI 3.1."""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import getdoc
from typing import Any

import msgspec
from flask import Flask
from werkzeug.routing import Rule

from ..settings import Settings
from ..version import VERSION
from . import route_notes
from .dialects import dialect_of

MEANINGS = {
    200: "as asked",
    400: "no JSON, or an empty text",
    401: "no key, or a wrong one",
    404: "not here",
    409: "another is under way",
    413: "too large a body",
    415: "not declared as JSON",
    422: "a wrong key, type or length",
    429: "too many are asking",
    424: "the model is of another kind",
    500: "the engine failed",
    503: "not ready",
    504: "it took too long",
}
NAME = "{name}"
# By blueprint, in the order in which they are shown; all others are the service's own.
TAGS = {"ours": "serve-bert", "openai": "OpenAI", "tei": "Text Embeddings Inference", "": "The service"}


def description(app: Flask, settings: Settings) -> dict[str, Any]:
    """The whole of it."""
    routes = [(rule, app.view_functions[rule.endpoint]) for rule in app.url_map.iter_rules()]
    types = {type_ for rule, view in routes for type_ in [*route_notes.of(view).types, dialect_of(rule.rule).type]}
    ordered = sorted(types, key=str)
    schemas, components = msgspec.json.schema_components(ordered, ref_template=f"#/components/schemas/{NAME}")
    schema_of = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for rule, view in sorted(routes, key=lambda route: route[0].rule):
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            operation = _operation(rule, view, schema_of, is_guarded=bool(settings.api_key))
            paths.setdefault(re.sub(r"<(?:path:)?(\w+)>", r"{\1}", rule.rule), {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "serve-bert",
            "version": VERSION,
            "description": "BERT sentence embeddings, for our own, Text Embeddings Inference's and OpenAI's clients.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": tag} for tag in TAGS.values()],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(rule: Rule, view: Callable[..., Any], schema_of: dict[Any, Any], *, is_guarded: bool) -> dict[str, Any]:
    told = route_notes.of(view)
    # What it raises is for who reads the code; here the statuses say it.
    first, _, rest = re.sub(r" ?\bRaises [^.]*\.", "", getdoc(view) or "").partition("\n")
    answers: dict[str, Any] = {"200": {"description": MEANINGS[200], **_content(told.gives, schema_of)}}
    for status in told.refuses:
        answers[str(status)] = {"description": MEANINGS[status], **_content(dialect_of(rule.rule).type, schema_of)}
    operation: dict[str, Any] = {
        "summary": first,
        "tags": [TAGS.get(re.split(r"[._]", rule.endpoint)[0], TAGS[""])],
        "responses": answers,
    }
    if rest.strip():
        operation["description"] = rest.strip()
    if told.takes:
        taken = [schema_of[one] for one in told.takes]
        body = {"schema": taken[0] if len(taken) == 1 else {"anyOf": taken}} | (
            {"example": told.example} if told.example else {}
        )
        operation["requestBody"] = {"required": True, "content": {"application/json": body}}
    if rule.arguments:
        names = sorted(rule.arguments)
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in names
        ]
    if is_guarded and not told.is_public:
        operation["security"] = [{"key": []}]
    return operation


def _content(gives: Any, schema_of: dict[Any, Any]) -> dict[str, Any]:
    if gives is None:
        return {}
    if isinstance(gives, str):
        return {"content": {gives: {"schema": {"type": "string"}}}}
    return {"content": {"application/json": {"schema": schema_of[gives]}}}
