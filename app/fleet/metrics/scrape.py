"""One page of metrics for the whole fleet, whichever worker is asked for it."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ...version import VERSION
from .. import cores, memory
from ..board import Board
from . import processes
from .exposition import Family
from .register import Metrics
from .tei import TeiCollector, renamed

# Of OpenMetrics' text.
END = b"# EOF\n"


@dataclass(eq=False)
class FleetCollector(Collector):
    """What is measured at the scrape: workers ready, model, memory of each slot and of the master."""

    board: Board
    model: dict[str, str]
    """Labels of bert_model_info; empty while there is no model."""
    queue_depth: int

    def collect(self) -> Iterator[Metric]:
        """Measure now. The same series each time, but for workers that are dead at this moment."""
        yield GaugeMetricFamily("bert_workers", "Workers that the fleet is to have.", self.board.workers)
        yield GaugeMetricFamily("bert_workers_ready", "Workers that take requests.", self.board.ready_count())
        traffic = self.board.traffic
        yield GaugeMetricFamily("bert_workers_busy", "Workers that are at a request.", traffic.busy())
        yield GaugeMetricFamily("bert_requests_in_flight", "Requests that workers are at.", traffic.at_work())
        for name in ("bert_queue_depth", "te_queue_size"):
            yield GaugeMetricFamily(name, "Connections that no worker has taken yet.", self.queue_depth)
        model = GaugeMetricFamily("bert_model_info", "The model that is served; always 1.", labels=list(self.model))
        if self.model:
            model.add_metric(list(self.model.values()), 1)
        yield model
        yield GaugeMetricFamily(
            "bert_last_reload_success",
            "Whether the last reload (HUP) was taken; 1 before the first.",
            not self.board.is_reload_refused,
        )
        build = GaugeMetricFamily("bert_build_info", "What serves; always 1.", labels=["version", "python"])
        build.add_metric([VERSION, platform.python_version()], 1)
        yield build
        yield GaugeMetricFamily("bert_cores", "Cores that this fleet may use at a time.", cores.usable())
        yield from processes.of_fleet(self.board)
        yield from self._memory()

    def _memory(self) -> Iterator[Metric]:
        pss = GaugeMetricFamily(
            "bert_worker_pss_bytes", "Memory, shared pages divided among their users.", labels=["slot"]
        )
        private = GaugeMetricFamily("bert_worker_private_bytes", "Memory that nobody else uses.", labels=["slot"])
        for slot, found in memory.of_fleet(self.board).items():
            pss.add_metric([slot], found.pss_bytes)
            private.add_metric([slot], found.private_bytes)
        yield from (pss, private)


def render(metrics: Metrics, fleet: FleetCollector, accept: str) -> tuple[bytes, str]:
    """The page and its content type, in the format that the scraper prefers."""
    metrics.show_all()
    encode, content_type = choose_encoder(accept)
    is_open_metrics = content_type.startswith("application/openmetrics-text")
    found = CollectorRegistry()
    found.register(fleet)
    found.register(TeiCollector(metrics))
    totals = metrics.store.totals() if metrics.store else []
    counted = "".join(family.text(totals) for family in _families(metrics, is_open_metrics=is_open_metrics))
    return encode(found).removesuffix(END) + counted.encode() + END * is_open_metrics, content_type


@lru_cache(2)
def _families(metrics: Metrics, *, is_open_metrics: bool) -> list[Family]:
    named = {metric._name: metric for metric in metrics.all} | renamed(metrics)
    return [Family(name, metric, is_open_metrics=is_open_metrics) for name, metric in named.items()]
