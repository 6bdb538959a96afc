"""The register of metrics: every series that requests and the master move.

No label ever comes from a client: routes are templates, methods a fixed set.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

from ...request_errors import ClientGoneError, DeadlineError, OverloadedError
from . import rows
from .series import Store

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
BYTES = (64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
TOKENS = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384, 65536, 262144, 1048576)
FORMS = ("single", "batch")
RELOADS = ("done", "refused")
TURNED_AWAY = (OverloadedError, DeadlineError, ClientGoneError)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
OTHER_METHOD = "other"
UNMATCHED = "unmatched"
REMARKS = {
    "truncated_texts": "Texts that were cut.",
    "truncated_tokens": "Tokens that were cut off.",
    "unknown_tokens": "Tokens that stand for what the vocabulary has not.",
    "empty_texts": "Texts in which the tokenizer found nothing.",
}
"""What is counted of each of `Embeddings.remarks`."""
_of_fleet: Metrics | None = None


def of_master(store: Store) -> Metrics:
    """Made once, before the fork: the master moves the last row with them, and each worker its slot's."""
    global _of_fleet  # noqa: PLW0603 - as with board.join
    rows.keep_in(store)
    found = _of_fleet = Metrics()
    for reason in Reason:
        found.restarts.labels(reason.value)
    return found


def of_process() -> Metrics:
    """The fleet's, or new ones, where no master of ours forked this process."""
    return _of_fleet or Metrics()


class Reason(enum.Enum):
    """Why a worker had to be replaced. A reload or a stop is none."""

    SIGNAL = "signal"
    """A signal ended it, which the master had not sent: a defect, no memory, somebody's kill."""
    TIMEOUT = "timeout"
    """It hung, and the master ended it."""
    RECYCLED = "recycled"
    """It has answered as many requests as gunicorn's max_requests."""
    EXIT = "exit"
    """It ended by itself."""
    REFUSED = "refused"
    """It was born, but its model was refused."""
    FAILED = "failed"
    """It was born, but failed before it was ready."""
    UNBORN = "unborn"
    """It could not be born: no process, no descriptor, no temporary file."""


class Metrics:
    """The series that requests move, and the master's."""

    def __init__(self) -> None:
        self.store = rows.kept_in()
        registry = self.registry = CollectorRegistry()
        labels = ["route", "method", "status"]
        self.requests = Counter("bert_requests", "Requests answered.", labels, registry=registry)
        self.request_seconds = _seconds(
            "bert_request_duration",
            "Time from a request's last byte to its answer made.",
            registry,
            ["route", "status"],
        )
        self.payload_bytes = _bytes("bert_request_payload", "Body bytes that were read.", registry, ["route"])
        self.response_bytes = _bytes("bert_response", "Body bytes of the answer.", registry, ["route"])
        self.queue_seconds = _seconds("bert_queue", "Time that requests waited for a worker.", registry)
        self.turned_away = Counter(
            "bert_turned_away", "Requests that were given up: too late, or nobody waits.", ["reason"], registry=registry
        )
        self.tokenize_seconds = _seconds("bert_tokenize", "Time a request's texts took to tokenize.", registry)
        self.forward_seconds = _seconds("bert_forward", "Time a request's texts took in the model.", registry)
        self.encode_seconds = _seconds("bert_encode", "Time a request's answer took to write.", registry)
        self.texts_per_request = _counts("bert_request_texts", "Texts that a request carried.", registry, TEXTS)
        self.tokens_per_request = _counts("bert_request_tokens", "Tokens of a request's texts.", registry, TOKENS)
        self.tokens_per_text = _counts("bert_text_tokens", "Tokens of a text.", registry, TOKENS)
        self.embedding_seconds = _seconds("bert_embedding", "Time of requests that gave vectors.", registry)
        self.inputs = Counter(
            "bert_inputs", "Requests with texts, and what came of them.", ["form", "outcome"], registry=registry
        )
        self.texts = Counter("bert_texts", "Texts encoded.", registry=registry)
        self.tokens = Counter("bert_tokens", "Tokens encoded, special tokens included.", registry=registry)
        self.remarks = {name: Counter(f"bert_{name}", text, registry=registry) for name, text in REMARKS.items()}
        self.errors = Counter("bert_errors", "Requests that were told an error.", ["error_type"], registry=registry)
        self.restarts = Counter(
            "bert_worker_restarts", "Workers that had to be replaced, or born again.", ["reason"], registry=registry
        )
        self.lost = Counter("bert_requests_lost", "Requests whose worker ended before it answered.", registry=registry)
        self.reloads = Counter(
            "bert_reloads",
            "Reloads (HUP, /admin/reload) and what came of them; a successor (USR2) that failed.",
            ["result"],
            registry=registry,
        )
        self.cpu_seconds = Counter(
            "process_cpu_seconds", "Processor time of all processes, user and system.", registry=registry
        )
        self.log_lines_dropped = Counter(
            "bert_log_lines_dropped", "Log lines that nobody read in time.", registry=registry
        )
        self._shown = 0
        own = [*vars(self).values(), *self.remarks.values()]
        self.all = [metric for metric in own if isinstance(metric, Counter | Histogram)]
        self._labelled = {metric._name: metric for metric in self.all if metric._labelnames}

    def start_at_zero(self, routes: Iterable[tuple[str, str]], statuses: Iterable[int]) -> None:
        """Create the series of each (route, method), so that the first scrape shows them, at zero."""
        statuses = list(statuses)
        for result in RELOADS:
            self.reloads.labels(result)
        for reason in TURNED_AWAY:
            self.turned_away.labels(reason.kind)
        for route, method in routes:
            self.request_seconds.labels(route, status_class(200))
            for histogram in (self.payload_bytes, self.response_bytes):
                histogram.labels(route)
            for status in statuses:
                self.requests.labels(route, method, str(status))

    def show_all(self) -> None:
        """Create here what series others have by now: each process shows the whole page."""
        keys = self.store.keys() if self.store else set()
        if len(keys) == self._shown:
            return
        self._shown = len(keys)
        for metric, sample, *values in sorted(keys):
            labelled = self._labelled.get(metric)
            # A predecessor of another version may have had other labels.
            if labelled and not sample.endswith("_bucket") and len(values) == len(labelled._labelnames):
                labelled.labels(*values)


def status_class(status: int) -> str:
    """As a label: "2xx"."""
    return f"{status // 100}xx"


def _seconds(name: str, meaning: str, registry: CollectorRegistry, labels: Iterable[str] = ()) -> Histogram:
    return Histogram(f"{name}_seconds", meaning, labels, buckets=SECONDS, registry=registry)


def _counts(name: str, meaning: str, registry: CollectorRegistry, buckets: Iterable[int]) -> Histogram:
    return Histogram(name, meaning, buckets=tuple(buckets), registry=registry)


def _bytes(name: str, meaning: str, registry: CollectorRegistry, labels: Iterable[str] = ()) -> Histogram:
    return Histogram(f"{name}_bytes", meaning, labels, buckets=BYTES, registry=registry)
