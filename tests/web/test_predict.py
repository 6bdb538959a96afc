from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import orjson
import pytest

from app.encoder import Encoder
from tests.conftest import Site
from tests.texts import LANGUAGES


def float32_bits(vectors: object) -> bytes:
    return np.asarray(vectors, np.float32).tobytes()


def test_one_text_gives_one_row(site: Site, real_encoder: Encoder) -> None:
    answer = site.predict(text="Hello")
    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    assert np.asarray(answer.json["embeddings"]).shape == (1, 384)
    assert list(answer.json) == ["embeddings"]


def test_floats_read_back_exactly(site: Site, real_encoder: Encoder) -> None:
    texts = LANGUAGES[:20]
    answer = site.predict(text=texts)
    assert float32_bits(answer.json["embeddings"]) == float32_bits(real_encoder.encode(texts).vectors)
    first = answer.data.split(b"[[")[1].split(b",")[0]
    assert len(first) <= 14, "float32 is printed short, not as the float64 nearest to it"
    assert struct.pack("<f", float(first)) == float32_bits(real_encoder.encode(texts).vectors)[:4]


def test_rows_come_in_the_order_of_the_texts(site: Site) -> None:
    texts = ["a short one", "a rather longer one, with more words in it " * 9, "mid length text here"]
    together = np.asarray(site.predict(text=texts).json["embeddings"])
    for row, text in zip(together, texts, strict=True):
        assert np.abs(row - np.asarray(site.predict(text=text).json["embeddings"][0])).max() < 1e-5


def test_normalize_false_gives_the_vector_as_it_is(site: Site) -> None:
    plain = np.asarray(site.predict(text="Hello", normalize=False).json["embeddings"][0])
    unit = np.asarray(site.predict(text="Hello", normalize=True).json["embeddings"][0])
    assert abs(np.linalg.norm(unit) - 1) < 1e-5
    assert abs(np.linalg.norm(plain) - 1) > 0.01
    assert np.abs(plain / np.linalg.norm(plain) - unit).max() < 1e-6


def test_pooling_none_gives_a_vector_a_token(site: Site) -> None:
    answer = site.predict(text=["Hello", "two words"], pooling="none")
    assert [np.asarray(rows).shape for rows in answer.json["embeddings"]] == [(3, 384), (4, 384)]
    assert answer.headers["X-Compute-Tokens"] == "7"
    unit = site.predict(text="Hello", pooling="none", normalize=True).json["embeddings"][0]
    assert np.allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-5)


def test_headers_tell_tokens_and_times(site: Site) -> None:
    headers = site.predict(text="Hello").headers
    assert headers["X-Compute-Tokens"] == "3"
    phases = ["X-Decode-Time", "X-Tokenization-Time", "X-Inference-Time", "X-Encode-Time"]
    times = [float(headers[name]) for name in phases]
    assert all(time >= 0 for time in times)
    assert sum(times) <= float(headers["X-Total-Time"])
    assert "X-Truncated-Texts" not in headers


def test_what_was_cut_is_told(site: Site) -> None:
    headers = site.predict(text=["word " * 300, "short", "word " * 255]).headers
    assert (headers["X-Truncated-Texts"], headers["X-Truncated-Tokens"]) == ("2", "47")


def test_a_text_over_the_limit_may_be_refused(site: Site, make_site: Callable[..., Site]) -> None:
    for answer in (
        site.predict(text=["ok", "word " * 300], truncate=False),
        make_site(BERT_TRUNCATE="false").predict(text=["ok", "word " * 300]),
    ):
        assert answer.status_code == 422
        assert answer.json["where"] == "$.text[1]"
        assert (answer.json["tokens"], answer.json["max_tokens"]) == (302, 256)
        assert "302" in answer.json["error"]
        assert "256" in answer.json["error"]
    assert make_site(BERT_TRUNCATE="false").predict(text="word " * 300, truncate=True).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "kind", "where", "words"),
    [
        (b'{"text": 5}', 422, "Validation", "$.text", "got `int`"),
        (b'{"text": null}', 422, "Validation", "$.text", "got `null`"),
        (b'{"text": ["a", 5]}', 422, "Validation", "$.text[1]", "got `int`"),
        (b'{"text": [["a"]]}', 422, "Validation", "$.text[0]", "got `array`"),
        (b'{"text": "a", "normalize": "yes"}', 422, "Validation", "$.normalize", "got `str`"),
        (b'{"text": "a", "truncate": 1}', 422, "Validation", "$.truncate", "got `int`"),
        (b'{"text": "a", "pooling": "mean"}', 422, "Validation", "$.pooling", "'mean'"),
        (b'{"text": "a", "txet": "b"}', 422, "Validation", "$.txet", "`txet`"),
        (b"{}", 422, "Validation", "$.text", "`text`"),
        (b'["a"]', 422, "Validation", "$", "got `array`"),
        (b'{"text": ""}', 400, "Empty", "$.text", "the text is empty"),
        (b'{"text": []}', 400, "Empty", "$.text", "empty list"),
        (b'{"text": ["a", ""]}', 400, "Empty", "$.text[1]", "text 1 is empty"),
        (b'{"text": ["fine", "' + b"x" * 100001 + b'"]}', 422, "Validation", "$.text[1]", "text 1 has 100001 char"),
        (b'{"text": "' + b"x" * 100001 + b'"}', 422, "Validation", "$.text", "the text has 100001 characters"),
        (b"", 400, "Validation", None, "the body is empty"),
        (b"\xef\xbb\xbf", 400, "Validation", None, "the body is empty"),
        (b'{"text": "a"', 400, "Validation", None, "truncated"),
        (b'{"text": NaN}', 400, "Validation", None, "no JSON"),
        (b'{"text": "\xff\xfe"}', 400, "Validation", None, "no UTF-8: byte 0xff at position 10"),
        ('{"text": "a"}'.encode("utf-16"), 400, "Validation", None, "the body is UTF-16"),
        ('{"text": "a"}'.encode("utf-16-le"), 400, "Validation", None, "the body is UTF-16"),
        ('{"text": "a"}'.encode("utf-16-be"), 400, "Validation", None, "the body is UTF-16"),
        ('{"text": "a"}'.encode("utf-32"), 400, "Validation", None, "the body is UTF-32"),
        ('{"text": "a"}'.encode("utf-32-be"), 400, "Validation", None, "the body is UTF-32"),
        (b'{"text": ["tea", "\\ud83c"]}', 400, "Validation", "$.text[1]", "half of a surrogate pair"),
        (b'{"text": "\\udf75 tea"}', 400, "Validation", "$.text", "half of a surrogate pair"),
        (b'{"text": "a\\ud800b"}', 400, "Validation", "$.text", "half of a surrogate pair"),
        (b"[" * 100000, 422, "Validation", "$", "got `array`"),
        (b'{"text": ' + b"[" * 100000, 422, "Validation", "$.text[0]", "got `array`"),
    ],
)
def test_bad_bodies(site: Site, body: bytes, status: int, kind: str, where: str | None, words: str) -> None:
    answer = site.client.post("/predict", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["error_type"], answer.json.get("where")) == (status, kind, where)
    assert words in answer.json["error"]
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]


def test_too_many_texts_too_long_a_text_too_large_a_body(make_site: Callable[..., Site]) -> None:
    small = make_site(BERT_MAX_TEXTS="2", BERT_MAX_CHARS="10", BERT_MAX_BODY_BYTES="100")
    answer = small.predict(text=["a", "b", "c"])
    assert (answer.status_code, answer.json["where"]) == (422, "$.text")
    assert "3 texts, but a request may carry 2" in answer.json["error"]
    answer = small.predict(text=["a", "b" * 11])
    assert (answer.status_code, answer.json["where"]) == (422, "$.text[1]")
    assert "11 characters, but a text may have 10" in answer.json["error"]
    answer = small.predict(text="c" * 200)
    assert (answer.status_code, answer.json["max_body_bytes"]) == (413, 100)


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
def test_content_types_other_than_json(site: Site, content_type: str | None) -> None:
    answer = site.client.post("/predict", data=b'{"text": "a"}', content_type=content_type)
    assert (answer.status_code, answer.json["error_type"]) == (415, "Validation")
    assert "Content-Type: application/json" in answer.json["error"]


def test_a_compressed_body_is_not_inflated(site: Site) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = site.client.post("/predict", data=b"\x1f\x8b", headers=headers)
    assert (answer.status_code, answer.json["error_type"]) == (415, "Validation")
    assert "Content-Encoding 'gzip'" in answer.json["error"]


def test_what_a_request_may_cost_is_bounded(make_site: Callable[..., Site]) -> None:
    small = make_site(BERT_MAX_REQUEST_TOKENS="600", BERT_MAX_UNPOOLED_NUMBERS=str(6 * 384))
    assert small.predict(text=["word " * 500, "word " * 500, "a"]).status_code == 200, "counted after the cut"
    answer = small.predict(text=["word " * 500, "word " * 500, "word " * 100])
    assert (answer.status_code, answer.json["where"]) == (422, "$.text")
    assert (answer.json["tokens"], answer.json["max_request_tokens"]) == (614, 600)
    assert "the texts have 614 tokens, but a request may have 600" in answer.json["error"]
    assert small.predict(text=["a", "b"], pooling="none").status_code == 200
    answer = small.predict(text=["a", "a", "a"], pooling="none")
    assert (answer.status_code, answer.json["where"]) == (422, "$.text")
    assert (answer.json["numbers"], answer.json["max_unpooled_numbers"]) == (9 * 384, 6 * 384)


def test_what_one_text_is_refused_for_names_it_by_its_place(make_site: Callable[..., Site]) -> None:
    strict = make_site(BERT_TRUNCATE="false")
    assert strict.predict(text="word " * 300).json["error"].startswith("the text has 302 tokens, but this model takes")
    assert strict.predict(text=["a", "word " * 300]).json["error"].startswith("text 1 has 302 tokens, but this model")


def test_a_byte_order_mark_is_taken(site: Site) -> None:
    answer = site.client.post("/predict", data=b'\xef\xbb\xbf{"text": "a"}', content_type="application/json")
    assert answer.status_code == 200


def test_of_a_key_that_is_given_twice_the_last_holds(site: Site, real_encoder: Encoder) -> None:
    answer = site.client.post("/predict", data=b'{"text": "a", "text": "b"}', content_type="application/json")
    assert answer.json["embeddings"] == site.predict(text="b").json["embeddings"]


def test_json_with_a_charset_is_json(site: Site) -> None:
    body = orjson.dumps({"text": "a"})
    assert site.client.post("/predict", data=body, content_type="application/json; charset=utf-8").status_code == 200
