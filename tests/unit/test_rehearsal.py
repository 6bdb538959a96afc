"""What the master answers to nobody: with keys too, without a trace, and told if it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import Config

from app import assemble, settings, web
from app.encoder import Encoder
from app.process import rehearsal
from app.web.services import Services


class Failing:
    """An engine that cannot."""

    info = None

    def encode(self, *_: object, **__: object) -> None:
        raise MemoryError


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def rehearsed(encoder: Any, **environ: str) -> Services:
    app = assemble(settings.load(environ))
    web.join_worker(app)
    services: Services = app.extensions[Services.NAME]
    services.encoder = encoder
    rehearsal.rehearse(app, Config())
    return services


KEYED = {"BERT_API_KEY": "search:one, two"}


@pytest.mark.parametrize("environ", [{}, {"BERT_API_KEY": "one, two"}, KEYED, {"BERT_KEEP_ALIVE_S": "0"}])
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
