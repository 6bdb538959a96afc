"""GET /: a page for people, where texts can be tried and the fleet be watched; and the files of all pages.

The pages load nothing from elsewhere and have no script or style within, so that their Content-Security-Policy can
forbid both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, render_template, request

from ..encoder import Encoder
from ..request_errors import WrongModelError
from ..version import VERSION
from .route_notes import describes
from .services import services

routes = Blueprint("page", __name__, template_folder="templates")
TYPES = {".js": "text/javascript", ".css": "text/css"}
ASSETS = {path.name: path.read_bytes() for path in (Path(__file__).parent / "assets").iterdir()}
"""Scripts and styles of the pages, read once by whoever forks the workers."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'self'"
)
# A vector: three numbers as bars.
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<path fill="#3b6ea5" d="M2 8h3v6H2zM6.5 2h3v12h-3zM11 5h3v9h-3z"/></svg>'
)


@routes.get("/")
@describes("text/html", is_public=True, refuses=(503,))
def page() -> Response:
    """What is served here, and ways to try and to watch it."""
    service = services()
    encoder = service.ready_encoder()
    model = encoder.info
    facts: dict[str, Any] = {"model": model, "served_name": service.served_name, **_of_tokens(encoder)}
    return html("page", title=model.model_id, **facts)


@routes.get("/assets/<name>")
@describes("text/javascript", is_public=True, refuses=(404,))
def asset(name: str) -> Response:
    """A script or a style of the pages; a browser asks whether its own is still the same."""
    if name not in ASSETS:
        abort(404)
    answer = Response(ASSETS[name], mimetype=TYPES[Path(name).suffix])
    answer.add_etag()
    answer.cache_control.no_cache = True
    answer.make_conditional(request)
    return answer


@routes.get("/favicon.ico")
@describes("image/svg+xml", is_public=True)
def icon() -> Response:
    """What a browser asks for beside every page."""
    answer = Response(ICON, mimetype="image/svg+xml")
    answer.cache_control.max_age = 86400
    return answer


def html(name: str, *, title: str, root: str = "", **facts: Any) -> Response:
    """A page, which a browser lets load what is ours alone. `root`: the way from its address to that of "/"."""
    shown = render_template(f"{name}.html", title=title, root=root, script=f"{name}.js", version=VERSION, **facts)
    answer = Response(shown, mimetype="text/html")
    answer.headers["Content-Security-Policy"] = POLICY
    return answer


def _of_tokens(encoder: Encoder) -> dict[str, object]:
    try:
        return {"cut_side": encoder.tokenizer.cut_side, "unknown_id": encoder.tokenizer.unknown_id}
    except WrongModelError:  # it shows no tokens either
        return {"cut_side": "right", "unknown_id": -1}
