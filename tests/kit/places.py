"""Where things are: the checkout, the environments, the cache, the results, the model."""

from __future__ import annotations

import sysconfig
from functools import cache
from pathlib import Path

from app import encoder, settings

ROOT = Path(__file__).parent.parent.parent
SERVING = ROOT / ".venv"
BENCH = SERVING / "bench"
INFINITY = SERVING / "bench-infinity"
OPENVINO = SERVING / "bench-openvino"
CACHE = BENCH / "cache"
RESULTS = ROOT / "tests" / "bench" / "results"
SERVICES = ROOT / "tests" / "bench" / "services"


@cache
def default_model() -> encoder.Checkpoint:
    """The default model, verified: the one that every service loads."""
    return encoder.verify(settings.load({}).model)


def cached(name: str) -> Path:
    """A file in the cache, named after the model's hash too, so that another model has another."""
    CACHE.mkdir(parents=True, exist_ok=True)
    stem, dot, suffix = name.rpartition(".")
    return CACHE / f"{stem}-{default_model().sha256[:12]}{dot}{suffix}"


def has_environment(folder: Path) -> bool:
    """Whether `make bench` got this environment installed to the end."""
    return (folder / ".installed").exists() or Path(sysconfig.get_path("purelib")).is_relative_to(folder)
