"""The README and what it describes name the same things."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "app/encoder/native/README.md"])
def test_every_place_that_is_named_is_there(name: str) -> None:
    text = Path(name).read_text(encoding="utf-8")
    named = set(re.findall(r"[`(]((?:app|tests|config)/[\w./-]+)[`)#]", text))
    assert [place for place in sorted(named) if not Path(place).exists()] == []


WRAPPED = {".md", ".toml", ".cfg", ".c", ".h", ".inc", ".py", ".yml", ".yaml", ".html", ".js", ".mjs", ".css"}
NOT_OURS = re.compile("/run-20|^tests/data/|requirements-models")


def test_lines_are_within_120_columns() -> None:
    """But for rows of tables, and what a terminal or a log shows."""
    ran = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=False)
    too_long = []
    for path in [Path(name) for name in ran.stdout.splitlines() if not NOT_OURS.search(name)]:
        if (path.suffix in WRAPPED or path.name in {"Makefile", "run"}) and path.exists():
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".md":
                text = re.sub(r"^```.*?^```|^\|[^\n]*$|^    [^\n]*$", "", text, flags=re.MULTILINE | re.DOTALL)
            too_long += [f"{path}: {line[:60]}…" for line in text.splitlines() if len(line) > 120]
    assert too_long == []
