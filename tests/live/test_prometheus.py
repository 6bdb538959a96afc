"""A real Prometheus scrapes a real fleet with the configuration, the rules and the dashboard of this repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kit.fleet import Fleet, wait_for
from tests.kit.places import ROOT
from tests.live.prometheus import CONFIG, DASHBOARD, RULES, RULES_TEST, panels, watching

# CI installs Prometheus, and there its absence is a failure; elsewhere these tests are left out where it is missing.
pytestmark = pytest.mark.skipif(
    not shutil.which("promtool") and not os.environ.get("CI"), reason="Prometheus is not installed (Debian: prometheus)"
)


def promtool(*arguments: str | Path, page: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["promtool", *map(str, arguments)], input=page, capture_output=True, check=False)


def test_promtool_finds_nothing_to_say(fleet: Fleet) -> None:
    fleet.ask("/predict", {"text": "Hello"})
    fleet.ask("/nope")
    ran = promtool("check", "metrics", page=fleet.ask("/metrics").body)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")
    assert promtool("check", "config", CONFIG).returncode == 0


def test_the_alerts_wake_whom_they_should() -> None:
    ran = promtool("test", "rules", RULES_TEST)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_alert_is_tested() -> None:
    alerts = set(re.findall(r"- alert: (\w+)", RULES.read_text()))
    assert len(alerts) > 10
    assert [name for name in sorted(alerts) if name not in RULES_TEST.read_text()] == []


def test_rules_and_dashboard_ask_for_metrics_that_there_are(fleet: Fleet) -> None:
    fleet.ask("/nope")
    page = fleet.ask("/metrics").body.decode()
    there = set(re.findall(r"^([a-z_]+)", page, flags=re.MULTILINE))
    asked = set(
        re.findall(r"\b(?<!:)((?:bert|process)_[a-z_]+)\b(?=[{\[)]| [-=<>])", RULES.read_text() + DASHBOARD.read_text())
    )
    assert len(asked) > 20
    assert sorted(asked - there) == []


def test_prometheus_scrapes_the_fleet_and_every_panel_shows_something(fleet: Fleet, tmp_path: Path) -> None:
    with watching(fleet, tmp_path) as prometheus:
        for _ in range(2):
            fleet.ask("/predict", {"text": "Hello"})
            fleet.ask("/nope")
        assert prometheus.value("bert_workers_ready") == "10"
        answered = 'sum(increase(bert_requests_total{route="/predict"}[10s]))'
        wait_for(lambda: float(prometheus.value(answered) or 0) > 0, "a later scrape", 60)
        assert float(prometheus.value("histogram_quantile(0.5, sum by (le) (bert_forward_seconds_bucket))")) > 0
        queries = [(panel["title"], target["expr"]) for panel in panels("10s") for target in panel["targets"]]
        assert len(queries) > 20
        assert [(title, expression) for title, expression in queries if not prometheus.now(expression)] == []
        assert prometheus.now("ALERTS") == []


def test_its_picture_stands_in_the_readme() -> None:
    assert "config/grafana/serve-bert.svg" in (ROOT / "README.md").read_text()
    assert (ROOT / "config" / "grafana" / "serve-bert.svg").exists()
