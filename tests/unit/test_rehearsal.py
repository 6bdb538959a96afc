"""What the master answers to nobody: with keys too, without a trace, and told if it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import Config

from app import assemble, settings, web
from app.encoder import Encoder
from app.process import _gunicorn_settings, rehearsal
from app.web.services import Services


class Failing:
    """An engine that cannot."""

    info = None

    def encode(self, *_: object, **__: object) -> None:
        raise MemoryError


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def rehearsed(encoder: Any, **environ: str) -> Services:
    found = settings.load(environ)
    app, configuration = assemble(found), Config()
    for name in ("keepalive", "proxy_protocol", "threads"):
        configuration.set(name, _gunicorn_settings(found)[name])
    web.join_worker(app)
    services: Services = app.extensions[Services.NAME]
    services.encoder = encoder
    rehearsal.rehearse(app, configuration)
    return services


KEYED = {"BERT_API_KEY": "search:one, two"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"BERT_API_KEY": "one, two"},
        KEYED,
        {"BERT_KEEP_ALIVE_S": "0"},
        {"BERT_PROXY_PROTOCOL": "v1"},
        {"BERT_STATE": "shared"},
    ],
)
def test_it_is_answered_and_leaves_no_trace(
    real_encoder: Encoder, capfd: pytest.CaptureFixture[str], environ: dict[str, str]
) -> None:
    before = descriptors()
    rehearsed(real_encoder, **environ)
    assert capfd.readouterr().err == ""
    assert descriptors() <= before


def test_one_that_fails_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    rehearsed(Failing())
    printed = "".join(capsys.readouterr())
    assert "rehearsed requests were not all answered" in printed
    assert "500 INTERNAL SERVER ERROR" in printed
