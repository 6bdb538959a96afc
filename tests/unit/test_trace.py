"""What a traceparent says, by https://www.w3.org/TR/trace-context/."""

from __future__ import annotations

import sys

import pytest

from app import create_app, settings
from app.errors import ConfigurationError
from app.web.trace import Trace

ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("told", "is_sampled"),
    [
        (f"00-{ID}-{SPAN}-01", True),
        (f"00-{ID}-{SPAN}-00", False),
        (f"00-{ID}-{SPAN}-03", True),
        (f"cc-{ID}-{SPAN}-01", True),
        (f"cc-{ID}-{SPAN}-01-what-comes", True),
    ],
)
def test_it_is_read(told: str, *, is_sampled: bool) -> None:
    found = Trace.of({"HTTP_TRACEPARENT": told})
    assert found
    assert (found.trace_id, found.parent_id, found.is_sampled) == (ID, SPAN, is_sampled)
    assert found.traceparent == f"00-{ID}-{found.span_id}-{int(is_sampled):02}"
    assert len(found.span_id) == 16


@pytest.mark.parametrize(
    "told",
    [
        "",
        "00",
        f"ff-{ID}-{SPAN}-01",
        f"00-{ID}-{SPAN}-01-more",
        f"cc-{ID}-{SPAN}-01.more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"00-{ID.upper()}-{SPAN}-01",
        f"00-{ID[:-1]}-{SPAN}-01",
        f"00-{ID}-{SPAN}-1",
        f"00-{ID}-{SPAN}-01\n",
    ],
)
def test_what_cannot_be_read_is_none(told: str) -> None:
    assert Trace.of({"HTTP_TRACEPARENT": told}) is None
    assert Trace.of({}) is None


def test_without_opentelemetry_the_start_ends_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "app.web.spans", None)
    monkeypatch.delattr(sys.modules["app.web"], "spans", raising=False)  # where another test has imported it
    with pytest.raises(ConfigurationError, match="OpenTelemetry is not installed; `make tracing` brings it"):
        create_app(settings.load({"BERT_OTLP_ENDPOINT": "http://localhost:4318"}))
