"""What each route says of itself beside its docstring: what it takes, gives and refuses. openapi.py collects it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

OF_BODIES = (400, 413, 415, 422, 429)
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class RouteNotes:
    """What a route takes, gives and refuses."""

    takes: tuple[type[msgspec.Struct], ...]
    """Types of a JSON body; (): none is read."""
    gives: Any
    """The type of a JSON answer; a media type of another; None: an answer without a body."""
    refuses: tuple[int, ...]
    example: Any
    is_public: bool

    @property
    def types(self) -> list[Any]:
        """Those that need a schema."""
        gives = () if self.gives is None or isinstance(self.gives, str) else (self.gives,)
        return [*self.takes, *gives]


def describes(
    gives: Any,
    *takes: type[msgspec.Struct],
    refuses: Iterable[int] = (),
    example: Any = None,
    is_public: bool = False,
) -> Callable[[View], View]:
    """Mark a view with what the description says beside its docstring."""
    refused = {*refuses} | (set(OF_BODIES) if takes else set()) | (set() if is_public else {401})

    def mark(view: View) -> View:
        told = RouteNotes(takes, gives, tuple(sorted(refused)), example, is_public)
        view.described = told  # type: ignore[attr-defined]
        return view

    return mark


def of(view: Callable[..., Any]) -> RouteNotes:
    """What a view was marked with. Raises AttributeError."""
    found: RouteNotes = view.described  # type: ignore[attr-defined]
    return found
