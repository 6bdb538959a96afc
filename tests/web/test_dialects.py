"""Text Embeddings Inference's and OpenAI's dialects: what is the same in all, and what is each one's own."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.encoder import Encoder, Options
from tests.conftest import Site

HELLO = [101, 7592, 102]


def post(site: Site, path: str, **body: Any) -> Any:
    return site.client.post(path, json=body)


def close(given: Any, expected: Any) -> bool:
    return bool(np.abs(np.asarray(given) - np.asarray(expected)).max() < 1e-5)


def test_one_vector_whoever_asks(site: Site) -> None:
    (own,) = site.predict(text="Hello").json["embeddings"]
    assert close(post(site, "/embed", inputs="Hello").json, [own])
    assert close(post(site, "/embed", inputs=HELLO).json, [own])
    assert close(post(site, "/", inputs=["Hello", HELLO]).json, [own, own])
    for path in ("/v1/embeddings", "/embeddings"):
        plain = post(site, path, input="Hello", model="any").json["data"][0]
        packed = post(site, path, input=[HELLO], encoding_format="base64").json["data"][0]
        assert (plain["index"], plain["object"]) == (0, "embedding")
        assert close(plain["embedding"], own)
        assert close(np.frombuffer(base64.b64decode(packed["embedding"]), "<f4"), own)


def test_fewer_dimensions_are_cut_and_then_normalized(site: Site) -> None:
    whole = np.asarray(post(site, "/embed", inputs="Hello", normalize=False).json)
    cut = np.asarray(post(site, "/embed", inputs="Hello", normalize=False, dimensions=8).json)
    unit = np.asarray(post(site, "/embed", inputs="Hello", dimensions=8).json)
    assert close(cut, whole[:, :8])
    assert close(unit, cut / np.linalg.norm(cut))
    assert close(post(site, "/v1/embeddings", input="Hello", dimensions=8).json["data"][0]["embedding"], unit[0])


def test_what_was_cut_stands_in_usage(site: Site) -> None:
    usage = post(site, "/v1/embeddings", input=["word " * 300, "short"]).json["usage"]
    assert usage == {"prompt_tokens": 259, "total_tokens": 259, "truncated_texts": 1, "truncated_tokens": 46}
    assert set(post(site, "/v1/embeddings", input="short").json["usage"]) == {"prompt_tokens", "total_tokens"}


def test_a_long_text_may_lose_its_beginning(site: Site) -> None:
    text = " ".join(f"word{number}" for number in range(200))
    left = post(site, "/embed", inputs=text, truncation_direction="Left").json
    assert not close(left, post(site, "/embed", inputs=text, truncation_direction="right").json)
    ids = [token["id"] for token in post(site, "/tokenize", inputs=text).json[0]]
    assert len(ids) > 256
    assert close(left, post(site, "/embed", inputs=[101, *ids[-255:]]).json)
    assert close(left, post(site, "/embed", inputs=ids, truncation_direction="left").json), "[CLS] and [SEP] stay"
    assert post(site, "/embed", inputs=ids, truncate=False).json["tokens"] == len(ids)


def test_tokens_there_and_back(site: Site) -> None:
    (tokens,) = post(site, "/tokenize", inputs="Grüße, 東京").json
    assert [token["text"] for token in tokens if not token["special"]][:2] == ["Gr", "ü"]
    written = "Grüße, 東京".encode()
    places = [(token["text"], token["start"], token["stop"]) for token in tokens if not token["special"]]
    assert all(written[start:stop].decode() == text for text, start, stop in places)
    assert post(site, "/decode", ids=[[7592, 2088], HELLO]).json == ["hello world", "hello"]
    assert post(site, "/decode", ids=HELLO, skip_special_tokens=False).json == ["[CLS] hello [SEP]"]


def test_cosines(site: Site) -> None:
    inputs = {"source_sentence": "a happy person", "sentences": ["a happy person", "a tax form"]}
    same, other = post(site, "/similarity", inputs=inputs).json
    assert (round(same, 5), other < 0.5) == (1.0, True)
    assert "1.0" in post(site, "/", inputs=inputs).text, "no integer, on which some clients fail"


@pytest.mark.parametrize(
    ("path", "body", "status", "where"),
    [
        ("/embed", {"inputs": ["a", [30522]]}, 422, "$.inputs[1]"),
        ("/embed", {"inputs": [101, "a"]}, 422, "$.inputs[0]"),
        ("/embed", {"inputs": []}, 400, "$.inputs"),
        ("/embed", {"inputs": ["a", []]}, 400, "$.inputs[1]"),
        ("/embed", {"inputs": "a", "dimensions": 385}, 422, "$.dimensions"),
        ("/embed", {"inputs": "a", "prompt_name": "query"}, 422, "$.prompt_name"),
        ("/embed", {"inputs": "a", "normalize": None}, 422, "$.normalize"),
        ("/similarity", {"inputs": {"source_sentence": "a", "sentences": [""]}}, 400, "$.inputs.sentences[0]"),
        ("/similarity", {"inputs": {"source_sentence": "a", "sentences": []}}, 400, "$.inputs.sentences"),
        ("/tokenize", {"inputs": "a", "prompt_name": "query"}, 422, "$.prompt_name"),
        ("/rerank", {"query": "a", "texts": ["b"]}, 424, None),
        ("/rerank", {"query": "a", "texts": []}, 400, "$.texts"),
        ("/embed_sparse", {"inputs": "a"}, 424, None),
        ("/predict", {"inputs": [["a"], ["b", "c"]]}, 424, None),
        ("/predict", {"inputs": ["a", "b", "c"]}, 422, "$.inputs"),
        ("/predict", {"input": "a"}, 422, "$.input"),
        ("/predict", {"inputs": "a", "text": "a"}, 422, "$.inputs"),
        ("/predict", {"inputs": "a", "text": 5}, 422, "$.inputs"),
        ("/embed_sparse", {"inputs": "a" * 3000}, 424, None),
        ("/embed", {"inputs": HELLO, "prompt_name": "query"}, 422, "$.prompt_name"),
        ("/decode", {"ids": [[7592], []]}, 400, "$.ids[1]"),
    ],
)
def test_refusals_of_tei_s_routes(site: Site, path: str, body: dict[str, Any], status: int, where: str | None) -> None:
    answer = post(site, path, **body)
    assert (answer.status_code, answer.json.get("where")) == (status, where)
    assert answer.json["error"]
    assert answer.json["error_type"] in {"Validation", "Empty", "Backend"}


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"input": [[64], [65]]}, 422, "input[0]"),
        ({"input": ""}, 400, "input"),
        ({"input": ["a", ""]}, 400, "input[1]"),
        ({"input": "a", "encoding_format": "hex"}, 422, "encoding_format"),
        ({"input": "a", "dimensions": 0}, 422, "dimensions"),
        ({"inputs": "a"}, 422, "input"),
        ({"input": [[1]] * 2049}, 422, "input"),
    ],
)
def test_refusals_of_openai_s_routes(site: Site, body: dict[str, Any], status: int, param: str | None) -> None:
    answer = post(site, "/v1/embeddings", **body)
    fault = answer.json["error"]
    assert (answer.status_code, fault["param"], fault["type"]) == (status, param, "invalid_request_error")


def test_ids_of_another_vocabulary_are_told_how_to_be_text(site: Site) -> None:
    fault = post(site, "/v1/embeddings", input=[[9906, 1917]]).json["error"]
    assert "check_embedding_ctx_length=False" in fault["message"]


def test_openai_s_codes(make_site: Callable[..., Site]) -> None:
    guarded = make_site(BERT_API_KEY="alpha", BERT_SERVED_MODEL_NAME="team/small")
    assert post(guarded, "/v1/embeddings", input="a").json["error"]["code"] == "invalid_api_key"
    key = {"Authorization": "Bearer alpha"}
    assert guarded.client.get("/v1/models/other", headers=key).json["error"]["code"] == "model_not_found"
    assert guarded.client.get("/v1/nothing", headers=key).json["error"]["code"] == "unknown_url"
    assert isinstance(guarded.client.get("/v1nothing", headers=key).json["error"], str)
    assert guarded.client.get("/v1/models/team/small", headers=key).json["id"] == "team/small"
    answer = guarded.client.post("/v1/embeddings", json={"input": "a", "model": "gpt"}, headers=key)
    assert answer.json["model"] == "team/small"


def test_info_says_what_tei_s_clients_ask_there(site: Site) -> None:
    info = site.client.get("/info").json
    assert info["model_type"] == {"embedding": {"pooling": "mean"}}
    assert (info["max_client_batch_size"], info["max_input_length"], info["auto_truncate"]) == (2048, 256, True)


def test_tei_s_metrics_are_ours_under_its_names(site: Site) -> None:
    def values() -> dict[str, float]:
        lines = site.client.get("/metrics").text.splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line.startswith("te_")}

    post(site, "/embed", inputs="Hello world")
    post(site, "/embed", inputs=["a", "b", "c"])
    post(site, "/v1/embeddings", input="Hello world")
    post(site, "/embed", inputs="")
    post(site, "/embed", inputs="a", dimensions=999)
    post(site, "/rerank", query="a", texts=["b"])
    post(site, "/tokenize", inputs="a")
    found = values()
    assert found['te_request_count{method="single"}'] == 5
    assert found['te_request_success{method="single"}'] == 2
    assert found['te_request_success{method="batch"}'] == 1
    assert (found["te_embed_success"], found["te_request_input_length_sum"]) == (5, 17)
    assert (found["te_batch_next_size_sum"], found["te_batch_next_tokens_sum"]) == (5, 17)
    errors = {
        name: found[f'te_request_failure{{err="{name}"}}'] for name in ("tokenization", "validation", "model_type")
    }
    assert errors == {"tokenization": 1, "validation": 1, "model_type": 1}
    assert (found["te_request_inference_duration_count"], found["te_request_duration_count"]) == (3, 3)


def test_what_is_nested_too_deeply_is_no_json_for_us(site: Site) -> None:
    deep = b"[" * 5000 + b"]" * 5000
    for path, key in (("/embed", b"inputs"), ("/v1/embeddings", b"input"), ("/tokenize", b"inputs")):
        body = b'{"%s": "a", "x": %s}' % (key, deep)
        answer = site.client.post(path, data=body, content_type="application/json")
        assert answer.status_code == 400, path
        assert "nested too deeply" in answer.text


def test_tokens_have_a_bound_too(make_site: Callable[..., Site]) -> None:
    small = make_site(BERT_MAX_REQUEST_TOKENS="100")
    assert post(small, "/tokenize", inputs="a " * 90).status_code == 200
    assert post(small, "/tokenize", inputs=["a " * 90, "a " * 90]).status_code == 422


def test_every_text_counts_though_equal_ones_are_computed_once(real_encoder: Encoder) -> None:
    found = real_encoder.encode(["a", [101, 1037, 102], "a"], Options(normalize=True))
    assert found.lengths == [3, 3, 3]
    assert close(found.vectors[0], found.vectors[1])
