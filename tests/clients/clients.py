"""How a client is run: its program in its environment, texts in, what it made of our answers out."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.kit.fleet import Fleet
from tests.kit.places import ROOT
from tests.texts import LANGUAGES

PROGRAMS = Path(__file__).parent / "programs"
KEY = "the-clients-key"
VENV = ROOT / ".venv"
TEXTS = [*LANGUAGES[:20], "Hello", "two\nlines", "word " * 300]


def run(command: Sequence[str | Path], fleet: Fleet, way: str, texts: Sequence[str] = TEXTS, **environ: str) -> Any:
    """What a program printed. It finds no proxy and no key of ours but the fleet's, as KEY."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith(("proxy", "_key"))}
    kept = {name: value for name, value in kept.items() if not name.startswith(("HF_", "OPENAI_", "BERT_"))}
    ran = subprocess.run(
        [*map(str, command), fleet.url, way],
        input=json.dumps(list(texts)),
        capture_output=True,
        text=True,
        timeout=180,
        env=kept | {"HF_HUB_DISABLE_TELEMETRY": "1", "ANONYMIZED_TELEMETRY": "False", "KEY": KEY} | environ,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout.splitlines()[-1])


def python(environment: str, program: str, fleet: Fleet, way: str, **options: Any) -> Any:
    """What a Python program made of it."""
    return run([VENV / environment / "bin" / "python", PROGRAMS / f"{program}.py"], fleet, way, **options)


def least_cosine(given: Any, expected: np.ndarray) -> float:
    """Between rows; 0 if they are not as many."""
    found = np.asarray(given, np.float64)
    if found.shape != expected.shape:
        return 0.0
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    return float(((found * expected).sum(axis=1) / lengths).min())
