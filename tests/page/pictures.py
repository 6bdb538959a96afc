"""The README's pictures of the page: `make page-pictures`, in front of a fleet that has been asked for a minute."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.kit.fleet import Fleet, serving
from tests.page.browser import Browser, running

FOLDER = Path(__file__).parent / "pictures"
SCREENS = [("page-1280-light", 1280, "light"), ("page-390-dark", 390, "dark")]
CLIENTS, LOOKS_S = 4, 75
TEXTS = ["a short one", "one of some more words than that", "and one that is longer " * 20]


@contextmanager
def asked(fleet: Fleet) -> Iterator[None]:
    """Clients in a closed loop, of which another one joins every few seconds."""
    is_over = threading.Event()

    def client(number: int) -> None:
        is_over.wait(number * LOOKS_S / CLIENTS / 2)
        while not is_over.is_set():
            fleet.ask("/predict", {"text": TEXTS[number % len(TEXTS)]})

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def use(browser: Browser) -> None:
    """Press what can be pressed, and look at the load."""
    browser.press("#try button")
    browser.press("#nearest button")
    browser.wait(lambda: browser.all("#tokens > *") and browser.all("#ranks li"), "answers")
    browser.run("arguments[0].scrollIntoView()", browser["#load"])


def main() -> None:
    """Write them."""
    FOLDER.mkdir(exist_ok=True)
    with ExitStack() as stack:
        fleet = stack.enter_context(serving(workers=10))
        browsers = [stack.enter_context(running()) for _ in SCREENS]
        for browser, (_, width, scheme) in zip(browsers, SCREENS, strict=True):
            browser.open(fleet.url, width, scheme=scheme)
            use(browser)
        with asked(fleet):
            time.sleep(LOOKS_S)
        for browser, (name, _, _) in zip(browsers, SCREENS, strict=True):
            browser.picture(FOLDER / f"{name}.png")
            sys.stdout.write(f"{FOLDER / name}.png\n")


if __name__ == "__main__":
    main()
