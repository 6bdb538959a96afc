"""The register of metrics: every series the service has, and one page of them for the whole fleet.

In a fleet each worker writes files of its own under one folder (prometheus-client's multiprocess mode). They are named
by the worker's slot, not its process: a successor carries on its predecessor's files, so counters never go back and the
folder does not grow with every restart. No label ever comes from a client: routes are templates, methods a fixed set.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import prometheus_client.values
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from . import memory
from .board import Board

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
BYTES = (64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
OTHER_METHOD = "other"
UNMATCHED = "unmatched"


# Files of many processes carry no creation times, so a single process shows none either: one page, one set of series.
disable_created_metrics()  # type: ignore[no-untyped-call]


def write_files_of_slot(slot: int) -> None:
    """Make metrics created from now on live in this slot's files. Call it in the worker, right after the fork."""
    of_slot = prometheus_client.values.MultiProcessValue(lambda: f"slot{slot}")  # type: ignore[no-untyped-call]
    prometheus_client.values.ValueClass = of_slot


class Metrics:
    """The series that requests move."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        labels = ["route", "method", "status"]
        self.requests = Counter("bert_requests", "Requests answered.", labels, registry=registry)
        self.request_seconds = _seconds(
            "bert_request_duration", "Time from head read to answer made.", registry, ["route"]
        )
        self.payload_bytes = _bytes("bert_request_payload", "Body bytes that were read.", registry, ["route"])
        self.response_bytes = _bytes("bert_response", "Body bytes of the answer.", registry, ["route"])
        self.tokenize_seconds = _seconds("bert_tokenize", "Time a request's texts took to tokenize.", registry)
        self.forward_seconds = _seconds("bert_forward", "Time a request's texts took in the model.", registry)
        self.texts_per_request = Histogram(
            "bert_request_texts", "Texts that a request carried.", buckets=TEXTS, registry=registry
        )
        self.texts = Counter("bert_texts", "Texts encoded.", registry=registry)
        self.tokens = Counter("bert_tokens", "Tokens encoded, special tokens included.", registry=registry)
        self.truncated_texts = Counter("bert_truncated_texts", "Texts that were cut.", registry=registry)
        self.truncated_tokens = Counter("bert_truncated_tokens", "Tokens that were cut off.", registry=registry)

    def start_at_zero(self, routes: Iterable[tuple[str, str]], statuses: Iterable[int]) -> None:
        """Create the series of each (route, method), so that the first scrape shows them, at zero."""
        statuses = list(statuses)
        for route, method in routes:
            for histogram in (self.request_seconds, self.payload_bytes, self.response_bytes):
                histogram.labels(route)
            for status in statuses:
                self.requests.labels(route, method, str(status))


def _seconds(name: str, meaning: str, registry: CollectorRegistry, labels: Iterable[str] = ()) -> Histogram:
    return Histogram(f"{name}_seconds", meaning, labels, buckets=SECONDS, registry=registry)


def _bytes(name: str, meaning: str, registry: CollectorRegistry, labels: Iterable[str] = ()) -> Histogram:
    return Histogram(f"{name}_bytes", meaning, labels, buckets=BYTES, registry=registry)


@dataclass(eq=False)
class FleetCollector(Collector):
    """What is measured at the scrape: workers ready, model, memory of each slot and of the master."""

    board: Board
    model: dict[str, str]
    """Labels of bert_model_info; empty while there is no model."""

    def collect(self) -> Iterator[Metric]:
        """Measure now. The same series each time, but for workers that are dead at this moment."""
        yield GaugeMetricFamily("bert_workers", "Workers that the fleet is to have.", self.board.workers)
        yield GaugeMetricFamily("bert_workers_ready", "Workers that take requests.", self.board.ready_count())
        model = GaugeMetricFamily("bert_model_info", "The model that is served; always 1.", labels=list(self.model))
        if self.model:
            model.add_metric(list(self.model.values()), 1)
        yield model
        pss = GaugeMetricFamily(
            "bert_worker_pss_bytes", "Memory, shared pages divided among their users.", labels=["slot"]
        )
        private = GaugeMetricFamily("bert_worker_private_bytes", "Memory that nobody else uses.", labels=["slot"])
        processes = {"master": os.getppid(), **{str(slot): pid for slot, pid in self.board.pids().items()}}
        for slot, pid in processes.items():
            found = memory.of_process(pid)
            if found:
                pss.add_metric([slot], found.pss_bytes)
                private.add_metric([slot], found.private_bytes)
        yield from (pss, private)


def render(metrics: Metrics, fleet: FleetCollector, accept: str) -> tuple[bytes, str]:
    """The page and its content type, in the format that the scraper prefers."""
    folder = os.environ.get(FOLDER_VARIABLE)
    registry = CollectorRegistry() if folder else metrics.registry
    encode, content_type = choose_encoder(accept)
    page = CollectorRegistry()
    page.register(fleet)
    if folder:
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return _joined(encode(page), encode(registry)), content_type


def _joined(first: bytes, second: bytes) -> bytes:
    """Two pages as one: OpenMetrics ends each with a line of its own, and only the last may stand."""
    return first.removesuffix(b"# EOF\n") + second
