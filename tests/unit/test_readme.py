"""The README and what it describes name the same things."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Site

README = Path("README.md").read_text(encoding="utf-8")


def test_every_route_stands_in_the_readme(site: Site) -> None:
    for rule in site.app.url_map.iter_rules():
        method = "POST" if "POST" in (rule.methods or set()) else "GET"
        assert f"`{method} {rule.rule}`" in README


def test_every_metric_stands_in_the_readme(site: Site) -> None:
    page = site.client.get("/metrics").text
    names = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
    assert len(names) > 10
    assert [name for name in sorted(names) if f"`{name}`" not in README] == []
