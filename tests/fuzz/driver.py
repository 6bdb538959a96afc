"""Runs case after case until the time is up. Each case is made from its seed alone, so any of them can be run again."""

from __future__ import annotations

import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np

from app.encoder.native import library
from tests.fuzz import calls, files, models

CASES = {"forward": models.run, "hostile call": calls.run, "packed file": files.run}
SHARES = (0.5, 0.3, 0.2)
REPORT_S = 5


def drive(seconds: float, seed: int, last: Path) -> None:
    """At least one case; `last` always holds the seed of the case that is running."""
    began, reported, done = time.monotonic(), time.monotonic(), Counter[str]()
    print(f"Fuzzing {', '.join(library.paths())} for {seconds:g} s from FUZZ_SEED={seed}", flush=True)
    while not done or time.monotonic() - began < seconds:
        last.write_text(str(seed))
        random = np.random.default_rng(seed)
        kind = str(random.choice(list(CASES), p=SHARES))
        CASES[kind](random)
        done[kind] += 1
        seed += 1
        if time.monotonic() - reported > REPORT_S:
            reported = time.monotonic()
            print(f"{reported - began:4.0f} s: {told(done)}", flush=True)
    print(f"Nothing found in {told(done)}.")


def told(done: Counter[str]) -> str:
    return ", ".join(f"{count} × {kind}" for kind, count in done.most_common())


if __name__ == "__main__":
    path, for_s, first_seed, last_seed = sys.argv[1:]
    with patch.object(library, "load", partial(library.load, Path(path))):
        drive(float(for_s), int(first_seed), Path(last_seed))
