"""GET /: a page for people, where a text can be tried and everything else is linked."""

from __future__ import annotations

from flask import Blueprint, render_template

from ..version import VERSION
from .described import describes
from .services import services

routes = Blueprint("page", __name__, template_folder="templates")


@routes.get("/")
@describes("text/html", is_public=True, refuses=(503,))
def page() -> str:
    """What is served here, and a form to try it."""
    return render_template("page.html", model=services().ready_encoder().info, version=VERSION)
