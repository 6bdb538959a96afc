"""The line that every request writes, which is made without the library: as the library would make it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import structlog

from app import settings
from app.fleet import logs

FACTS = {"route": "/predict", "path": "/gr\u00fc\u00dfe", "status": 200, "total_ms": 1.5, "slot": None}


@pytest.fixture(autouse=True)
def configured_again() -> Iterator[None]:
    yield
    logs.configure(settings.load({}))


def written(capsys: pytest.CaptureFixture[str], **environ: str) -> list[str]:
    logs.configure(settings.load(environ))
    logs.info("request", FACTS)
    structlog.get_logger("serve-bert").info("request", **FACTS)
    printed = "".join(capsys.readouterr())
    return printed.splitlines()


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    fast, slow = (json.loads(line) for line in written(capsys, BERT_LOG_FORMAT="json"))
    for line in (fast, slow):
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("timestamp"))
    assert list(fast.items()) == list(slow.items())


def test_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    fast, slow = written(capsys, BERT_LOG_FORMAT="console")
    assert fast.partition("[")[2] == slow.partition("[")[2]


def test_what_is_of_too_little_weight_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert written(capsys, BERT_LOG_FORMAT="json", BERT_LOG_LEVEL="warning") == []
