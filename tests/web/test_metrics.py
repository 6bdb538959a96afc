"""What requests move on the page of metrics, and what they cannot."""

from __future__ import annotations

import json

from tests.conftest import Site
from tests.web.conftest import metric


def test_the_first_scrape_shows_zeroes(site: Site) -> None:
    page = site.client.get("/metrics").text
    for status in ("200", "400", "413", "415", "422", "500", "503"):
        assert f'bert_requests_total{{method="POST",route="/predict",status="{status}"}} 0.0' in page
    for name in ("texts", "tokens", "truncated_texts", "truncated_tokens"):
        assert f"bert_{name}_total 0.0" in page
    for name in ("tokenize_seconds", "forward_seconds", "request_texts"):
        assert f"bert_{name}_count 0.0" in page
    assert 'bert_request_duration_seconds_count{route="/predict",status="2xx"} 0.0' in page
    for name in ("request_payload_bytes", "response_bytes"):
        assert f'bert_{name}_count{{route="/predict"}} 0.0' in page
    assert 'le="0.0005"' in page
    assert 'le="10.0"' in page


def test_requests_move_the_metrics(site: Site) -> None:
    body = json.dumps({"text": ["Hello", "word " * 300]}).encode()
    answer = site.client.post("/predict", data=body, content_type="application/json")
    site.predict(text="")
    page = site.client.get("/metrics").text
    assert metric(page, "bert_requests_total", route="/predict", method="POST", status="200") == 1
    assert metric(page, "bert_requests_total", route="/predict", method="POST", status="400") == 1
    assert metric(page, "bert_texts_total") == 2
    assert metric(page, "bert_tokens_total") == 259
    assert metric(page, "bert_truncated_texts_total") == 1
    assert metric(page, "bert_truncated_tokens_total") == 46
    assert metric(page, "bert_request_texts_sum") == 2
    assert metric(page, "bert_request_payload_bytes_sum", route="/predict") == len(body) + len(b'{"text": ""}')
    assert metric(page, "bert_response_bytes_sum", route="/predict") > len(answer.data)
    assert metric(page, "bert_request_duration_seconds_count", route="/predict") == 2
    assert metric(page, "bert_forward_seconds_sum") > metric(page, "bert_tokenize_seconds_sum") > 0
    assert metric(page, "bert_workers_ready") == 1
    assert metric(page, "bert_model_info", model="sentence-transformers/all-MiniLM-L6-v2", dimension="384") == 1
    info = site.client.get("/info").json  # which bits these are stands beside the fingerprint, there and here
    assert metric(page, "bert_model_info", **{name: info[name] for name in ("fingerprint", "isa", "sums")}) == 1
    assert info["sums"] == ("singles" if info["isa"] else "")
    assert metric(page, "bert_worker_pss_bytes", slot="0") > 1e7


def test_nothing_that_a_client_chooses_becomes_a_label(site: Site) -> None:
    def series() -> set[str]:
        lines = site.client.get("/metrics").text.splitlines()
        return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}

    def noise(number: int) -> None:
        site.client.get(f"/random/{number}", headers={"X-Request-Id": f"id{number}", "User-Agent": f"a{number}"})
        site.client.open(f"/predict?x={number}", method=f"M{number}")
        site.client.open(f"/path{number}", method=f"M{number}", headers={"Host": f"host{number}"})

    noise(0)
    site.client.get("/metrics")
    before = series()
    for number in range(1, 50):
        noise(number)
    assert series() == before


def test_a_scraper_may_prefer_openmetrics(site: Site) -> None:
    answer = site.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.mimetype == "application/openmetrics-text"
    assert answer.text.count("# EOF") == 1
    assert answer.text.endswith("# EOF\n")


def test_a_wrong_method_is_counted_by_its_route(site: Site) -> None:
    site.client.get("/predict")
    site.client.get("/nope")
    page = site.client.get("/metrics").text
    assert metric(page, "bert_requests_total", route="/predict", method="GET", status="405") == 1
    assert metric(page, "bert_requests_total", route="unmatched", status="404") == 1
