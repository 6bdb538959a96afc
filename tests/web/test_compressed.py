"""Answers that are compressed for those who take it."""

from __future__ import annotations

import gzip
from collections.abc import Callable

from tests.conftest import Site
from tests.web.conftest import Capture, request_line


def test_long_answers_are_compressed_for_those_who_take_it(make_site: Callable[..., Site], capsys: Capture) -> None:
    site = make_site(BERT_COMPRESS_BYTES="1000", BERT_LOG_FORMAT="json")
    plain = site.client.post("/predict", json={"text": "a"}, headers={"Accept-Encoding": "gzip;q=0, br"})
    assert "Content-Encoding" not in plain.headers
    capsys.readouterr()
    packed = site.client.post("/predict", json={"text": "a"}, headers={"Accept-Encoding": "br, gzip, deflate"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.data) == plain.data
    assert int(packed.headers["Content-Length"]) == len(packed.data) == request_line(capsys)["response_bytes"]
    assert "X-Compute-Tokens" in packed.headers
    short = site.client.post("/predict", json={"text": ""}, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in short.headers
    unasked = make_site().client.post("/predict", json={"text": "a"}, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in unasked.headers
