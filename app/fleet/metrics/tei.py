"""What Text Embeddings Inference's dashboards ask for (`te_…`), derived at the scrape from our own numbers.

Nothing is counted twice, so some of it is ours still: a request is one batch, so the times of a text (te_embed_…) are
its request's; a list of one text is a batch of one; histograms have our buckets. Counters have no `_total` there, for
which a page of ours has no type: they are shown as untyped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from prometheus_client import Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from .register import FORMS, Metrics

# Kinds of `RequestError`, and what they are called there.
FAILURES = {
    "empty_input": "tokenization",
    "no_tokens": "tokenization",
    "text": "tokenization",
    "foreign_ids": "tokenization",
    "text_too_long": "tokenization",
    "too_many_texts": "batch_size",
    "invalid_input": "validation",
    "option": "validation",
    "wrong_model": "model_type",
}
# All others are "inference".
TURNED_AWAY = {"overloaded": "overloaded", "deadline": "inference", "client_gone": "inference"}
Labels = dict[str, str]


def renamed(metrics: Metrics) -> dict[str, Histogram]:
    """Histograms of ours by their names there."""
    sources = {
        ("request_duration", "embed_duration"): metrics.embedding_seconds,
        ("request_queue_duration", "embed_queue_duration"): metrics.queue_seconds,
        ("request_tokenization_duration", "embed_tokenization_duration"): metrics.tokenize_seconds,
        ("request_inference_duration", "embed_inference_duration"): metrics.forward_seconds,
        ("request_input_length",): metrics.tokens_per_text,
        ("batch_next_size",): metrics.texts_per_request,
        ("batch_next_tokens",): metrics.tokens_per_request,
    }
    return {f"te_{name}": source for names, source in sources.items() for name in names}


class TeiCollector(Collector):
    """The counters."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Read them now."""
        metrics = self._metrics
        asked, answered = dict.fromkeys(FORMS, 0.0), dict.fromkeys(FORMS, 0.0)
        failed: dict[str, float] = defaultdict(float)
        for labels, value in _values(metrics.inputs.collect()):
            asked[labels["form"]] += value
            if labels["outcome"] == "ok":
                answered[labels["form"]] += value
            elif labels["outcome"] not in TURNED_AWAY:  # else counted below
                failed[FAILURES.get(labels["outcome"], "inference")] += value
        for labels, value in _values(metrics.turned_away.collect()):
            failed[TURNED_AWAY.get(labels["reason"], "inference")] += value
        texts = sum(value for _, value in _values(metrics.texts.collect()))
        yield _counter("te_request_count", "Requests with texts.", "method", asked)
        yield _counter("te_request_success", "Requests answered.", "method", answered)
        yield _counter("te_request_failure", "Requests refused or failed.", "err", failed)
        for name in ("te_embed_count", "te_embed_success"):
            family = Metric(name, "Texts encoded.", "unknown")
            family.add_sample(name, {}, texts)
            yield family


def _counter(name: str, meaning: str, label: str, values: dict[str, float]) -> Metric:
    family = Metric(name, meaning, "unknown")
    for key, value in values.items():
        family.add_sample(name, {label: key}, value)
    return family


def _values(families: Iterable[Metric]) -> Iterator[tuple[Labels, float]]:
    """Labels and value of each counter."""
    for family in families:
        for sample in family.samples:
            if sample.name.endswith("_total"):
                yield sample.labels, sample.value
