"""Lines: one schema for all of them, whoever writes; the one of each request as the library would make it."""

from __future__ import annotations

import json
import logging.config
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gunicorn.arbiter
import pytest
import structlog

from app import settings
from app.errors import ConfigurationError
from app.fleet import library_lines, logs

SAID = [
    ("info", "Starting gunicorn %s", ("27.0.1",), {"event": "starting", "gunicorn": "27.0.1"}),
    ("info", "Listening at: %s (%s)", ("http://a:1", 7), {"event": "listening", "addresses": "http://a:1"}),
    ("info", "Handling signal: %s", ("hup",), {"event": "signal received", "signal": "SIGHUP"}),
    ("critical", "WORKER TIMEOUT (pid:%s)", (7,), {"event": "worker timed out", "worker_pid": 7}),
    ("warning", "something %s", ("new",), {"event": "something new", "logger": "gunicorn.error"}),
    ("info", "Handling signal: x", (), {"event": "Handling signal: x", "logger": "gunicorn.error"}),
]
FACTS = {"route": "/predict", "path": "/gr\u00fc\u00dfe", "status": 200, "total_ms": 1.5, "slot": None}


@pytest.fixture(autouse=True)
def configured_again() -> Iterator[None]:
    yield
    logs.configure(settings.load({}))


def written(capsys: pytest.CaptureFixture[str], **environ: str) -> list[str]:
    logs.configure(settings.load(environ))
    logs.write("info", "request", FACTS)
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


@pytest.mark.parametrize(("level", "template", "values", "expected"), SAID)
def test_what_gunicorn_says_has_fields(
    capsys: pytest.CaptureFixture[str], level: str, template: str, values: tuple[Any, ...], expected: dict[str, Any]
) -> None:
    gunicorns(BERT_LOG_FORMAT="json")
    getattr(logging.getLogger("gunicorn.error"), level)(template, *values)
    line = json.loads(capsys.readouterr().err)
    assert list(line)[:4] == ["timestamp", "level", "event", "pid"]
    assert (line["level"], line["pid"]) == (level, os.getpid())
    assert line.items() >= expected.items()


def test_what_the_sender_of_spans_says_is_one_event(capsys: pytest.CaptureFixture[str]) -> None:
    gunicorns(BERT_LOG_FORMAT="json")
    logging.getLogger("opentelemetry.exporter.otlp.proto.http").warning("Transient error %s", "no route")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["reason"]) == ("spans not sent", "Transient error no route")


def test_what_gunicorn_says_twice_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    gunicorns(BERT_LOG_FORMAT="json")
    logging.getLogger("gunicorn.error").info("Hang up: %s", "Master")
    assert capsys.readouterr().err == ""


def test_the_templates_are_those_of_the_gunicorn_of_the_lock() -> None:
    source = Path(gunicorn.arbiter.__file__).read_text()
    assert [template for template in (*library_lines.KNOWN, *library_lines.NEEDLESS) if template not in source] == []


def test_a_line_of_many_facts(capsys: pytest.CaptureFixture[str]) -> None:
    facts = {"model": "m", "limits": {"max_texts": 3}}
    logs.configure(settings.load({"BERT_LOG_FORMAT": "json"}))
    logs.write_at_length("boot", facts)
    assert json.loads(capsys.readouterr().err).items() >= {"event": "boot", **facts}.items()
    logs.configure(settings.load({"BERT_LOG_FORMAT": "console"}))
    logs.write_at_length("boot", facts)
    first, *others = capsys.readouterr().err.splitlines()
    assert "boot" in first
    assert others == ["    model                 m", "    limits                {'max_texts': 3}"]


@pytest.mark.parametrize(
    ("environ", "flags", "is_json"),
    [
        ({}, {}, True),
        ({"BERT_LOG_FORMAT": "console"}, {}, False),
        ({"BERT_LOG_FORMAT": "console"}, {"log_format": "json"}, True),
        ({"BERT_LOG_FORMAT": "nonsense"}, {}, True),
    ],
)
def test_a_start_that_cannot_be_ends_with_a_line_like_the_others(
    environ: dict[str, str], flags: dict[str, str], *, is_json: bool
) -> None:
    told = logs.last_words(ConfigurationError("PORT: no"), settings.wanted_log_format(environ, flags))
    if not is_json:
        assert told == "serve-bert: PORT: no"
        return
    line = json.loads(told)
    assert (line["level"], line["event"], line["error"]) == ("critical", "start refused", "PORT: no")


def gunicorns(**environ: str) -> None:
    """Its logging, as a fleet sets it up."""
    read = settings.load(environ)
    logs.configure(read)
    logging.config.dictConfig(logs.gunicorn_config(read))
