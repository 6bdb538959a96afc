from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.fleet import Fleet, serving


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    """Ten workers, started by `make run` as the README has it; for tests that leave it as it was."""
    with serving(workers=10, command=["make", "run"]) as running:
        yield running
