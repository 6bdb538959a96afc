"""A browser for all tests, a fleet for most, and no test that leaves a complaint on the console."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.fleet import Fleet, serving
from tests.page.browser import Browser, running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with running() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    chromium.complaints()
    chromium.forgiven = ()
    yield chromium
    forgiven: tuple[str, ...] = chromium.forgiven
    assert [told for told in chromium.complaints() if not any(part in told for part in forgiven)] == []


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    with serving(workers=2) as fleet:
        yield fleet
