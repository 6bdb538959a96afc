"""The page as somebody uses it: pressed, typed into and read in a browser, in front of a live fleet."""

from __future__ import annotations

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kit.fleet import Fleet, serving
from tests.kit.places import ROOT
from tests.page.browser import Browser
from tests.page.proxy import PREFIX, behind_a_prefix

SENTENCES = ["The cat sits on the mat.", "A kitten is resting on the rug.", "Stocks fell “sharply” on Monday's close."]
KEY = "a-key"
JS = ROOT / ".venv" / "page-js"


def vectors(fleet: Fleet, texts: list[str]) -> list[list[float]]:
    return list(fleet.ask("/predict", {"text": texts}).json["embeddings"])


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / math.hypot(*one) / math.hypot(*other)


def compare(browser: Browser, texts: list[str]) -> None:
    browser.type("#texts", "\n".join(texts))
    browser.press("#try button")
    browser.wait(lambda: len(browser.all("#tokens > *")) == min(len(texts), 30), "tokens of each")


def test_similarity_of_three_sentences(browser: Browser, fleet: Fleet) -> None:
    browser.open(fleet.url)
    compare(browser, SENTENCES)
    found = vectors(fleet, SENTENCES)
    cells = [cell.text for cell in browser.all(".map tbody td")]
    assert cells == [f"{cosine(one, other):.2f}" for one in found for other in found]
    second = browser.all(".map tbody td")[1]
    assert second.get_attribute("title") == f"“{SENTENCES[0]}” and “{SENTENCES[1]}”: {cosine(found[0], found[1]):.3f}"
    shades = [cell.value_of_css_property("background-color") for cell in browser.all(".map tbody td")]
    assert shades[0] == shades[4] == shades[8] != shades[2]
    assert "tokens in" in browser.text("#timing")
    assert [part.split()[0] for part in browser.text(".legend").split(" ms") if part] == [
        "queue",
        "decode",
        "tokenize",
        "forward",
        "encode",
    ]
    assert browser.text("#vector").startswith("[")


def test_what_was_cut_and_what_is_unknown(browser: Browser, fleet: Fleet) -> None:
    browser.open(fleet.url)
    compare(browser, [" ".join(["word"] * 300), "a \U00012000 sign", "\u200b x"])
    assert "1 text had more tokens than the model reads: 46 were cut." in browser.text("#try-said")
    assert "1 token stand" in browser.text("#try-said")
    first, second, _ = browser.all("#tokens > *")
    assert "302 tokens, of which 46 were cut" in first.text
    assert len(browser.all("#tokens > :nth-child(1) .cut")) >= 44, "those that are shown"
    assert [one.text.split() for one in browser.all("#tokens .unknown")] == [["\U00012000", "(unknown)"]]
    assert second.text.startswith("2 · 5 tokens")


@pytest.mark.parametrize(
    "language", ["curl", "Python, requests", "Python, openai", "JavaScript, fetch", "JavaScript, openai"]
)
def test_each_call_runs_as_it_stands(browser: Browser, tmp_path: Path, language: str) -> None:
    with serving(workers=1, BERT_API_KEY=KEY) as fleet, behind_a_prefix(fleet.url) as url:
        browser.open(url)
        browser.run("sessionStorage.setItem('key', arguments[0])", KEY)
        browser.open(url)
        browser.type("#texts", "\n".join(SENTENCES))
        browser.run(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))",
            browser["#language"],
            language,
        )
        call = browser.text("#snippet")
        assert PREFIX in call
        if language.startswith("Python"):
            command = [sys.executable, "-c", call]
        elif language.startswith("JavaScript"):
            command = ["node", "--input-type=module", "-e", call]
        else:
            command = ["bash", "-c", f"{call} -s"]
        ran = subprocess.run(command, cwd=JS, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stderr
        assert '"embeddings":[[' in ran.stdout if language == "curl" else ran.stdout == "3 384\n"
        browser.run("sessionStorage.clear()")


def test_the_call_is_copied(browser: Browser, fleet: Fleet) -> None:
    browser.open(fleet.url)
    permissions = {"origin": fleet.url, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    browser.driver.execute_cdp_cmd("Browser.grantPermissions", permissions)
    browser.press("#copy")
    browser.wait(lambda: browser.text("#copied") == "Copied.", "copied")
    pasted = browser.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert pasted == browser.text("#snippet")


def test_the_nearest_of_some_lines(browser: Browser, fleet: Fleet) -> None:
    browser.open(fleet.url)
    texts = ["How do I reset my password?", "Do you ship to Norway?", "The app crashes."]
    browser.type("#lines", "\n".join(texts))
    browser.type("#wanted", "I cannot log in")
    browser.press("#nearest button")
    browser.wait(lambda: len(browser.all("#ranks li")) == len(texts), "ranks")
    asked, *found = vectors(fleet, ["I cannot log in", *texts])
    scores = sorted(((cosine(asked, one), text) for one, text in zip(found, texts, strict=True)), reverse=True)
    assert [one.text for one in browser.all("#ranks li")] == [f"{score:.3f} {text}" for score, text in scores]
    browser.type("#lines", "\n".join(f"line {number}" for number in range(500)))
    browser.press("#nearest button")
    browser.wait(lambda: "500 lines in" in browser.text("#nearest-said"), "all of them")
    assert len(browser.all("#ranks li")) == 20
    browser.type("#lines", "\n".join(f"line {number}" for number in range(501)))
    browser.press("#nearest button")
    browser.wait(lambda: "501 lines; 500 can" in browser.text("#nearest-said"), "too many")


def test_the_load_moves(browser: Browser, fleet: Fleet) -> None:
    browser.open(fleet.url)
    browser.run("arguments[0].scrollIntoView()", browser["#load"])

    def now(number: int) -> str:
        return browser.text(f"#charts figure:nth-child({number}) figcaption b")

    browser.wait(lambda: now(1) == "0 /s", "a rate, while nobody asks")
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(fleet.ask, "/predict", {"text": SENTENCES}) for _ in range(400)]
        browser.wait(lambda: now(1) not in ("0 /s", "– /s"), "a rate")
        browser.wait(lambda: "p99 –" not in now(2), "times")
        for one in asked:
            one.result()
    assert "2 of 2 workers ready." in browser.text("#load-said")
    assert float(now(5).removesuffix(" MB")) > 20
    label = browser["#charts figure svg"].get_attribute("aria-label")
    assert label
    assert label.startswith("Requests: ")
    assert "L" in str(browser["#charts figure .first"].get_attribute("d")), "a line, not a point"


def test_a_key_is_asked_for_and_kept_in_the_tab(browser: Browser) -> None:
    browser.forgiven = ("401",)
    with serving(workers=1, BERT_API_KEY=f"page:{KEY}") as fleet:
        browser.open(fleet.url)
        assert not browser["#keyed"].is_displayed()
        browser.press("#try button")
        browser.wait(browser["#keyed"].is_displayed, "the question for a key")
        assert "needs a key" in browser.text("#try-said")
        assert browser.driver.switch_to.active_element == browser["#key"]
        browser["#key"].send_keys("wrong\n")
        browser.wait(lambda: "does not know the key" in browser.text("#why-key"), "what is wrong")
        browser["#key"].clear()
        browser["#key"].send_keys(f"{KEY}\n")
        browser.wait(lambda: browser.all(".map"), "what was asked for before")
        assert not browser["#keyed"].is_displayed()
        assert KEY in browser.text("#snippet")
        browser.open(fleet.url)
        browser.press("#try button")
        browser.wait(lambda: browser.all(".map"), "an answer, with the tab's key")
        browser.run("sessionStorage.clear()")


def test_behind_a_prefix(browser: Browser, fleet: Fleet) -> None:
    with behind_a_prefix(fleet.url) as url:
        browser.open(url)
        compare(browser, SENTENCES)
        assert f"{url}predict" in browser.text("#snippet")
        browser.press("nav a[href=docs]")
        browser.wait(lambda: len(browser.all("section details")) > 10, "the docs")
        assert f"{url}predict" in browser.text("main")
        browser.press("nav a")
        browser.wait(lambda: browser.all("#texts"), "the page")


def test_what_the_service_says_is_said(browser: Browser) -> None:
    browser.forgiven = ("422", "ERR_CONNECTION_REFUSED")
    with serving(workers=1, BERT_MAX_TEXTS="2") as fleet:
        browser.open(fleet.url)
        browser.press("#try button")
        browser.wait(lambda: "there are 3 texts, but a request may carry 2" in browser.text("#try-said"), "a refusal")
        browser.type("#texts", "")
        browser.press("#try button")
        browser.wait(lambda: "A sentence, please" in browser.text("#try-said"), "what is missing")
        browser.type("#texts", "one")
    browser.press("#try button")
    browser.wait(lambda: "The service does not answer" in browser.text("#try-said"), "that it is gone")


def test_what_is_served_is_a_table(browser: Browser, fleet: Fleet) -> None:
    browser.open(fleet.url)
    browser.press("#all-facts summary")
    browser.wait(lambda: browser.all("#facts tr"), "rows")
    rows = dict(row.text.split(maxsplit=1) for row in browser.all("#facts > tr"))
    assert "384" in rows["dimension"]
    assert "gunicorn" in rows["versions"]


def test_by_the_keyboard_alone(browser: Browser, fleet: Fleet) -> None:
    browser.open(fleet.url)
    browser["#texts"].send_keys("\ue009\n")  # Ctrl and Enter
    browser.wait(lambda: browser.all(".map"), "an answer")
    reached = set()
    browser["body"].send_keys("")
    for _ in range(40):
        browser.driver.switch_to.active_element.send_keys("\t")
        reached.add(browser.driver.switch_to.active_element.get_attribute("id"))
    assert {"map", "language", "copy", "snippet", "lines", "wanted"} <= reached
