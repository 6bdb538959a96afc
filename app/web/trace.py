"""The trace that a request is part of, as W3C Trace Context has it: https://www.w3.org/TR/trace-context/."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

PARTS = r"([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})"
WHOLE = re.compile(f"{PARTS}(-.*)?")
TRACEPARENT = "HTTP_TRACEPARENT"
"""WSGI's name of the header."""
VERSION, NO_VERSION = "00", "ff"
SAMPLED = 1


@dataclass(frozen=True, slots=True)
class Trace:
    """A request's place in it: lower-case hexadecimal, as it is written everywhere."""

    trace_id: str
    parent_id: str
    """The span of whoever asks; "" if the trace begins here."""
    span_id: str
    """The request's own span here."""
    is_sampled: bool

    @classmethod
    def of(cls, environ: Mapping[str, Any]) -> Self | None:
        """The one that the request says it is part of; None if it says nothing, or nothing that can be read."""
        found = WHOLE.fullmatch(environ.get(TRACEPARENT, ""))
        if not found:
            return None
        version, trace_id, parent_id, flags, more = found.groups()
        if version == NO_VERSION or (version == VERSION and more):  # a later one may have more parts
            return None
        return cls(trace_id, parent_id, secrets.token_hex(8), bool(int(flags, 16) & SAMPLED))

    @classmethod
    def begun(cls) -> Self:
        """One that begins here, and is to be told."""
        return cls(secrets.token_hex(16), "", secrets.token_hex(8), is_sampled=True)

    @property
    def traceparent(self) -> str:
        """As it goes on, from here."""
        return f"{VERSION}-{self.trace_id}-{self.span_id}-{int(self.is_sampled):02x}"


class Spans(Protocol):
    """Where requests are told to a collector: spans.py, which is imported only where that is wanted."""

    def begin(self, trace: Trace | None) -> Trace | None:
        """The trace of a request: the one that it is part of, or a new one."""
        ...

    def tell(self, told: Any, facts: Mapping[str, Any], seconds: float) -> None:
        """A request's account, once it is answered; the facts of its log line; how long it took."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...
