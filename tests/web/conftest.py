"""What several tests of the web's room read: a request's line, and a number of the page."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Site

Capture = pytest.CaptureFixture[str]


def request_line(capsys: Capture) -> dict[str, object]:
    line: dict[str, object] = json.loads(capsys.readouterr().err.strip().splitlines()[-1])
    assert line["event"] == "request"
    return line


@pytest.fixture
def logged(capsys: Capture, make_site: Callable[..., Site]) -> Site:
    """A site whose log goes to the captured standard error, as JSON."""
    return make_site(BERT_LOG_FORMAT="json")


def metric(page: str, name: str, **labels: str) -> float:
    samples = [s for family in text_string_to_metric_families(page) for s in family.samples]
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())
