"""Chromium without a window, by its own driver, and what a test does with a page."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE_S = 60
# No one listens for those in a sandbox; root has none.
FLAGS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--lang=en")


class Browser:
    """A tab."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver
        self.forgiven: tuple[str, ...] = ()
        """Parts of complaints that a test expects: a browser tells the console of each answer that is an error."""

    def open(self, url: str, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Go to a page, as on a screen of that size, by day or by night."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.driver.get(url)

    def __getitem__(self, css: str) -> WebElement:
        """The first that there is."""
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list[WebElement]:
        found: list[WebElement] = self.driver.find_elements(By.CSS_SELECTOR, css)
        return found

    def text(self, css: str) -> str:
        """What stands there, whether it is seen or not."""
        return str(self[css].get_property("textContent"))

    def type(self, css: str, text: str) -> None:
        """Replace what stands in a field; a paste, for keys take a millisecond each."""
        self.run("arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))", self[css], text)

    def press(self, css: str) -> None:
        self[css].click()

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait(self, met: Any, what: str) -> Any:
        return WebDriverWait(self.driver, PATIENCE_S, 0.05).until(lambda _: met(), what)

    def complaints(self) -> list[str]:
        """What the console has been told since it was last asked: errors, and what the policy forbade."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def picture(self, path: Path) -> None:
        """The whole page, however long."""
        height = self.run("return document.documentElement.scrollHeight")
        width = self.run("return innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        told = {"captureBeyondViewport": True, "clip": clip}
        found = self.driver.execute_cdp_cmd("Page.captureScreenshot", told)
        path.write_bytes(base64.b64decode(found["data"]))


@contextmanager
def running() -> Iterator[Browser]:
    """A browser of one's own, gone at the end."""
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=ChromeService("/usr/bin/chromedriver"))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
