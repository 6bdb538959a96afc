"""How the pages look: nothing cut off at any width, by day and by night, and readable by everybody (axe-core).

With PICTURES=folder each is written there, to be looked at.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kit.fleet import Fleet
from tests.kit.places import ROOT
from tests.page.browser import Browser

AXE = ROOT / ".venv" / "page-js" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = [1280, 390]
# Of elements that reach beyond the page's right end, and no parent of which scrolls.
BEYOND = """
const scrolls = (node) => node && (getComputedStyle(node).overflowX === "auto" || scrolls(node.parentElement));
return [...document.querySelectorAll("body *")]
  .filter((node) => node.getBoundingClientRect().right > innerWidth + 1 && !scrolls(node.parentElement)
          && !node.closest(".unseen, svg, option"))
  .map((node) => node.outerHTML.slice(0, 80))
"""


def use(browser: Browser, fleet: Fleet, path: str) -> None:
    """Have every part of the page show something."""
    if path == "/docs":
        browser.wait(lambda: len(browser.all("section details")) > 10, "the docs")
        browser.run("document.querySelectorAll('details').forEach((one, place) => { one.open = place < 3 })")
        return
    browser.press("#try button")
    browser.press("#nearest button")
    browser.wait(lambda: browser.all("#tokens > *") and browser.all("#ranks li"), "answers")
    browser.run("arguments[0].scrollIntoView()", browser["#load"])
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(fleet.ask, "/predict", {"text": "a"}) for _ in range(300)]
        browser.wait(lambda: "p99 –" not in browser.text("#charts figure:nth-child(2)"), "times")
        for one in asked:
            one.result()
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    browser.wait(lambda: browser.all("#facts tr"), "facts")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_is_whole_and_readable(browser: Browser, fleet: Fleet, path: str, width: int, scheme: str) -> None:
    browser.open(fleet.url + path, width, scheme=scheme)
    use(browser, fleet, path)
    if folder := os.environ.get("PICTURES"):
        browser.picture(Path(folder) / f"{path.strip('/') or 'page'}-{width}-{scheme}.png")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.run(BEYOND) == []
    browser.run(AXE.read_text())
    found = browser.driver.execute_async_script("axe.run().then(arguments[0])")
    assert len(found["passes"]) > 15
    assert [
        (one["id"], one["impact"], [node["html"][:120] for node in one["nodes"]]) for one in found["violations"]
    ] == []
