"""What stands in several tables, because each room has its own to say of it, is the same in all of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from app.encoder import Embeddings
from app.fleet.metrics import register
from app.request_errors import RequestError
from app.web import account, hooks, spans

ASSETS = Path("app/web/assets")
REMARKS = set(
    Embeddings(
        np.zeros((1, 1), np.float32),
        [1],
        [1],
        tokenize_s=0,
        forward_s=0,
        fingerprint="",
        unknown_tokens=1,
        empty_texts=1,
    ).remarks
)


def test_what_is_remarked_of_texts_is_counted_and_told_everywhere() -> None:
    assert len(REMARKS) == 4
    assert set(register.REMARKS) == set(account.REMARKS) == REMARKS
    assert set(spans.COUNTS) >= REMARKS
    page = (ASSETS / "service.js").read_text()
    assert all(f'number("{header}")' in page for header in account.REMARKS.values())


@pytest.mark.parametrize("path", ["config/prometheus/rules.yml", "app/web/assets/prometheus.js"])
def test_what_only_watches_is_known_to_whoever_leaves_it_out(path: str) -> None:
    text = Path(path).read_text()
    found = re.findall(r'route!~"([^"]*)"', text) or re.findall(r"WATCHING = new Set\(\[(.*)\]\)", text)
    assert found
    for one in found:
        assert set(re.findall(r"/\w+", one)) == hooks.WATCHING


def test_every_kind_of_request_error_has_a_name_of_its_own() -> None:
    kinds = [each.kind for each in every_kind(RequestError)]
    assert len(set(kinds)) == len(kinds) > 15


def every_kind(base: type[RequestError]) -> list[type[RequestError]]:
    found = base.__subclasses__()
    return found + [deeper for each in found for deeper in every_kind(each)]
