"""POST /admin/reload as one request sees it; tests/live/test_state.py has it under load."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.encoder import Encoder
from app.web import reload
from tests.conftest import Site

KEY = {"Authorization": "Bearer k"}
SHARED = {"BERT_STATE": "shared", "BERT_API_KEY": "k"}


@pytest.mark.parametrize("environ", [{}, {"BERT_API_KEY": "k"}, {"BERT_STATE": "shared"}])
def test_elsewhere_there_is_no_such_path(make_site: Callable[..., Site], environ: dict[str, str]) -> None:
    assert make_site(**environ).client.post("/admin/reload", headers=KEY).status_code == 404


def test_one_at_a_time(make_site: Callable[..., Site]) -> None:
    site = make_site(**SHARED)
    with reload._under_way:
        refused = site.client.post("/admin/reload", headers=KEY)
    assert refused.status_code == 409
    assert "another request is replacing the model" in refused.json["error"]


def test_a_refusal_says_why_and_the_next_one_is_heard(
    make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site(**SHARED)
    monkeypatch.setenv("BERT_MODLE", "x")
    for _ in range(2):
        refused = site.client.post("/admin/reload", headers=KEY)
        assert refused.status_code == 422
        assert refused.json["error"].startswith("the old model stays: BERT_MODLE is no setting")
    assert site.services.readiness.board.replacements == 0


def test_the_new_model_serves_and_the_master_hears_of_it(
    make_site: Callable[..., Site], real_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site(**SHARED)
    held = site.services.encoder
    monkeypatch.setenv("BERT_ENGINE", real_encoder.info.engine)
    answer = site.client.post("/admin/reload", headers=KEY)
    assert answer.status_code == 200
    assert answer.json["fingerprint"] == real_encoder.info.fingerprint
    assert site.services.encoder is not held
    assert site.services.readiness.board.replacements == 1
    predicted = site.client.post("/predict", json={"text": "Hello"}, headers=KEY)
    assert predicted.headers["X-Model-Fingerprint"] == answer.json["fingerprint"]
