"""What the master answers to nobody: with keys too, without a trace, and told if it fails."""

from __future__ import annotations

import pytest

from app import assemble, encoder, settings
from app.encoder import Encoder
from app.web import rehearsal
from app.web.services import Services


class Failing:
    """An engine that cannot."""

    info = None

    def encode(self, *_: object, **__: object) -> None:
        raise MemoryError


@pytest.mark.parametrize("environ", [{}, {"BERT_API_KEY": "one, two"}])
def test_it_is_answered_and_leaves_no_trace(
    real_encoder: Encoder, capsys: pytest.CaptureFixture[str], environ: dict[str, str]
) -> None:
    found = settings.load(environ)
    app = assemble(found)
    rehearsal.rehearse(app, found, real_encoder)
    assert Services.NAME not in app.extensions
    assert capsys.readouterr().err == ""


def test_one_that_fails_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    found = settings.load({})
    failing: encoder.Encoder = Failing()  # type: ignore[assignment]
    rehearsal.rehearse(assemble(found), found, failing)
    printed = capsys.readouterr().err
    assert "rehearsed requests were not all answered" in printed
    assert "500 INTERNAL SERVER ERROR" in printed
