"""What every request moves, moved in a few steps.

prometheus-client takes some ten calls for each number, and a request moves thirty: here they are found once, and moved
where they lie (series.py). Numbers that lie elsewhere, in a process that no fleet of ours forked, are left to it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

from prometheus_client import Counter, Histogram

from .register import Metrics, status_class
from .series import SharedValue

Move = Callable[[float], None]


def adder(counter: Counter) -> Move:
    """Adds to a counter."""
    value: Any = counter._value
    return value.inc if isinstance(value, SharedValue) else counter.inc


def observer(histogram: Histogram) -> Move:
    """Observes for a histogram."""
    total: Any = histogram._sum
    if not isinstance(total, SharedValue):
        return histogram.observe
    owner, lock, sum_place = type(total), total.lock, total.place
    places = [bucket.place for bucket in histogram._buckets]
    bounds = histogram._upper_bounds

    def observe(amount: float) -> None:
        bucket, numbers = places[bisect_left(bounds, amount)], owner.numbers
        with lock:
            numbers[bucket] += 1
            numbers[sum_place] += amount

    return observe


class Moves:
    """Those of `Metrics`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._requests: dict[tuple[str, str, int], Move] = {}
        self._by_route: dict[tuple[str, int], tuple[Move, ...]] = {}
        self._inputs: dict[tuple[str, str], Move] = {}
        self.queue_seconds = observer(metrics.queue_seconds)
        self.tokenize_seconds = observer(metrics.tokenize_seconds)
        self.forward_seconds = observer(metrics.forward_seconds)
        self.encode_seconds = observer(metrics.encode_seconds)
        self.texts_per_request = observer(metrics.texts_per_request)
        self.tokens_per_request = observer(metrics.tokens_per_request)
        self.tokens_per_text = observer(metrics.tokens_per_text)
        self.embedding_seconds = observer(metrics.embedding_seconds)
        self.texts = adder(metrics.texts)
        self.tokens = adder(metrics.tokens)

    def requests(self, route: str, method: str, status: int) -> None:
        """One more."""
        key = (route, method, status)
        if key not in self._requests:
            self._requests[key] = adder(self._metrics.requests.labels(route, method, str(status)))
        self._requests[key](1)

    def by_route(self, route: str, status: int, seconds: float, payload_bytes: int, response_bytes: int) -> None:
        """One more."""
        key = (route, status // 100)
        if key not in self._by_route:
            metrics = self._metrics
            found = [metrics.request_seconds.labels(route, status_class(status))]
            found += [one.labels(route) for one in (metrics.payload_bytes, metrics.response_bytes)]
            self._by_route[key] = tuple(map(observer, found))
        of_seconds, of_payload, of_response = self._by_route[key]
        of_seconds(seconds)
        of_payload(payload_bytes)
        of_response(response_bytes)

    def inputs(self, form: str, outcome: str) -> None:
        """One more."""
        key = (form, outcome)
        if key not in self._inputs:
            self._inputs[key] = adder(self._metrics.inputs.labels(form, outcome))
        self._inputs[key](1)
