"""`serve-bert embed` beside `SentenceTransformer.encode`, over the same 10,000 lines, on one core and on two.

    .venv/bin/python -m tests.bench.lines [FOLDER]

The lines are descriptions of Debian's packages, in FOLDER as for tests/bench/encoder/retrieval.py. Arms take turns.
Ours is timed from the command's start to its end; sentence-transformers from the first text to the last vector, its
imports and loading left out. LINES and ROUNDS in the environment make it shorter.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.bench.encoder.retrieval import LISTS, descriptions
from tests.kit.places import default_model
from tests.kit.process import prepare_process

LINES, ROUNDS = int(os.environ.get("LINES", "10000")), int(os.environ.get("ROUNDS", "2"))
OURS = {"serve-bert embed": [], "serve-bert embed, float32": ["--precision", "float32"]}
REFERENCE = "SentenceTransformer.encode"
ENCODE = """
import sys, time
import numpy as np
from sentence_transformers import SentenceTransformer
texts = open(sys.argv[1], encoding="utf-8").read().split("\\n")
model = SentenceTransformer(sys.argv[2], device="cpu")
model.encode(texts[:32])
began = time.monotonic()
vectors = model.encode(texts)
print(time.monotonic() - began)
np.save(sys.argv[3], vectors)
"""


def main() -> None:
    """Measure and print a table."""
    prepare_process()
    lines = corpus(Path(sys.argv[1]) if len(sys.argv) > 1 else LISTS)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lines.txt"
        file.write_text("\n".join(lines), encoding="utf-8")
        rates: dict[str, list[float]] = {}
        for number in range(1, ROUNDS + 1):
            for cores in (1, 2):
                for arm in (*OURS, REFERENCE):
                    seconds = timed(arm, file, cores)
                    rates.setdefault(f"{arm}, {cores} core{'s' * (cores > 1)}", []).append(len(lines) / seconds)
                    sys.stderr.write(f"round {number}: {arm}, {cores}: {len(lines) / seconds:.1f} lines/s\n")
        cosines = {arm: least_cosine(output(file, arm), output(file, REFERENCE)) for arm in OURS}
    sys.stdout.write(f"{len(lines)} lines, {sum(map(len, lines)) / len(lines):.0f} characters in the mean\n")
    for name, found in rates.items():
        sys.stdout.write(f"{name}: {statistics.median(found):.1f} lines/s ({min(found):.1f} to {max(found):.1f})\n")
    sys.stdout.write(json.dumps({"least cosine": cosines}) + "\n")


def corpus(folder: Path) -> list[str]:
    """Different descriptions, in the order of Debian's lists. Exits if there are none."""
    found = list(dict.fromkeys(f"{summary}. {body}" for summary, body in descriptions(folder)))[:LINES]
    return found or sys.exit(f"{folder} holds no descriptions: `apt-get -o Acquire::Languages=en update` fetches them")


def timed(arm: str, file: Path, cores: int) -> float:
    """Seconds over the whole file, on cores 0 to `cores`."""
    pinned = ["taskset", "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))]
    if arm == REFERENCE:
        arguments = ["-c", ENCODE, str(file), str(default_model().directory), str(output(file, arm))]
        ran = subprocess.run([*pinned, sys.executable, *arguments], check=True, capture_output=True, text=True)
        return float(ran.stdout)
    began = time.monotonic()
    arguments = ["-m", "app", "embed", str(file), "-o", str(output(file, arm)), "--overwrite", *OURS[arm]]
    subprocess.run([*pinned, sys.executable, *arguments], check=True, capture_output=True)
    return time.monotonic() - began


def output(file: Path, arm: str) -> Path:
    """Where an arm's vectors go."""
    return file.with_name(arm.replace(" ", "-").replace(",", "") + ".npy")


def least_cosine(ours: Path, theirs: Path) -> float:
    """Of all lines; the vectors have length 1."""
    return round(float((np.load(ours) * np.load(theirs)).sum(axis=1).min()), 6)


if __name__ == "__main__":
    main()
