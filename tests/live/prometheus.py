"""A real Prometheus over a real fleet, by the configuration, rules and dashboard that this repository carries."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kit.fleet import Fleet, wait_for
from tests.kit.places import ROOT
from tests.kit.session import free_port

FOLDER = ROOT / "config" / "prometheus"
CONFIG, RULES = FOLDER / "prometheus.yml", FOLDER / "rules.yml"
RULES_TEST = ROOT / "tests" / "data" / "prometheus_rules_test.yml"
DASHBOARD = ROOT / "config" / "grafana" / "serve-bert.json"


@dataclass(frozen=True)
class Prometheus:
    port: int

    def now(self, expression: str) -> list[dict[str, Any]]:
        """All series that a query returns; none while it does not answer."""
        return self._ask("query", query=expression)

    def over(self, expression: str, begin_s: float, end_s: float, step_s: float) -> list[dict[str, Any]]:
        """All series over that time, each with its "values"."""
        times = {"start": str(begin_s), "end": str(end_s), "step": str(step_s)}
        return self._ask("query_range", query=expression, **times)

    def value(self, expression: str) -> str:
        """Of the first series; "" if there is none."""
        found = self.now(expression)
        return str(found[0]["value"][1]) if found else ""

    def _ask(self, what: str, **asked: str) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}?{urllib.parse.urlencode(asked)}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, timeout=5) as response:
                found: list[dict[str, Any]] = json.load(response)["data"]["result"]
        except OSError:
            return []
        return found


@contextmanager
def watching(fleet: Fleet, folder: Path) -> Iterator[Prometheus]:
    """It scrapes the fleet once a second, and has done so."""
    text = CONFIG.read_text().replace("127.0.0.1:8000", f"127.0.0.1:{fleet.port}").replace("15s", "1s")
    (folder / CONFIG.name).write_text(text)
    shutil.copy(RULES, folder)
    port = free_port()
    command = ["prometheus", f"--config.file={folder / CONFIG.name}", f"--storage.tsdb.path={folder / 'data'}"]
    process = subprocess.Popen(
        [*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        found = Prometheus(port)
        wait_for(lambda: found.value('up{job="serve-bert"}') == "1", "a scrape", 60)
        yield found
    finally:
        process.terminate()
        process.wait(20)


def panels(window: str) -> Iterator[dict[str, Any]]:
    """The dashboard's, their queries as Grafana would ask them with all variables at their defaults."""
    chosen = {"$job": "serve-bert", "$instance": ".*", "$__rate_interval": window}
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            for name, value in chosen.items():
                target["expr"] = target["expr"].replace(name, value)
        yield panel
