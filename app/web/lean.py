"""Flask, less what this service has no use for.

A forward draws 21 MB of weights through the caches and leaves nothing else in them, so what a request costs beside it
goes by how much code and data it touches: werkzeug copies and checks each header three times, binds the map of routes
to each request, and asks of each hook whether it is a coroutine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flask import Flask, Request, Response
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.routing import MapAdapter, Rule


class Answer(Response):
    """What the application answers with."""

    told: Sequence[tuple[str, str]] = ()
    """Headers of our own making, which need no looking at; Flask's `headers` know nothing of them."""
    is_plain = False
    """Whether it is 200, whole in memory, and its headers are as they should be."""

    def get_wsgi_response(self, environ: dict[str, Any]) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """See werkzeug's."""
        if self.is_plain and environ["REQUEST_METHOD"] != "HEAD":
            return self.iter_encoded(), self.status, [*self.headers, *self.told]
        body, status, headers = super().get_wsgi_response(environ)
        return body, status, [*headers, *self.told]


class Found:
    """What a rule without variables matches: in the place of a map that is bound to one request."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def match(self, **_: Any) -> tuple[Rule, dict[str, Any]]:
        """See werkzeug's MapAdapter."""
        return self._rule, {}


class NoSessions(SessionInterface):
    """Nobody has one."""

    def open_session(self, *_: object) -> SessionMixin | None:
        """See Flask's."""
        return self._none

    def is_null_session(self, obj: object) -> bool:
        """See Flask's."""
        return obj is self._none

    def __init__(self) -> None:
        self._none: SessionMixin = self.null_session_class()


class App(Flask):
    """See the module."""

    response_class = Answer
    session_interface = NoSessions()

    def __init__(self, name: str) -> None:
        super().__init__(name, static_folder=None)
        self._posted: dict[str, Any] = {}
        self.paths: frozenset[str] = frozenset()
        """Of all routes that have no part that a client chooses."""

    def know_routes(self) -> None:
        """Once all are there: those that texts are posted to are found without looking for them."""
        self.paths = frozenset(rule.rule for rule in self.url_map.iter_rules() if not rule.arguments)
        for rule in self.url_map.iter_rules():
            if "POST" in (rule.methods or ()) and not rule.arguments:
                self._posted[rule.rule] = Found(rule)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """See Flask's."""
        if request is not None and request.method == "POST" and (found := self._posted.get(request.path)):
            adapter: MapAdapter = found
            return adapter
        return super().create_url_adapter(request)

    def make_default_options_response(self) -> Response:
        """See Flask's; nothing is no HTML."""
        answer = super().make_default_options_response()
        del answer.headers["Content-Type"]
        return answer

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """See Flask's. There is no coroutine here."""
        return func
