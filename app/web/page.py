"""GET /: a page for people, where a text can be tried and everything else is linked."""

from __future__ import annotations

from flask import Blueprint, Response, render_template

from ..version import VERSION
from .described import describes
from .services import services

routes = Blueprint("page", __name__, template_folder="templates")
# A vector: three numbers as bars.
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<path fill="#3b6ea5" d="M2 8h3v6H2zM6.5 2h3v12h-3zM11 5h3v9h-3z"/></svg>'
)


@routes.get("/")
@describes("text/html", is_public=True, refuses=(503,))
def page() -> str:
    """What is served here, and a form to try it."""
    return render_template("page.html", model=services().ready_encoder().info, version=VERSION)


@routes.get("/favicon.ico")
@describes("image/svg+xml", is_public=True)
def icon() -> Response:
    """What a browser asks for beside every page."""
    answer = Response(ICON, mimetype="image/svg+xml")
    answer.cache_control.max_age = 86400
    return answer
