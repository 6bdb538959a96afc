"""Does less precision find less? Debian's packages: of each, its long description by its one-line summary.

    .venv/bin/python -m tests.bench.encoder.retrieval [FOLDER]

FOLDER holds apt's package lists with descriptions (Translation-en); `apt-get -o Acquire::Languages=en update` writes
them to apt's own, which is the default. The descriptions are parts of the Debian packages that they describe, under
those packages' free licences; nothing of them is kept.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from app.encoder import open_encoder, plan
from tests.kit.places import default_model

LISTS = Path("/var/lib/apt/lists")
READER = "/usr/lib/apt/apt-helper"
QUERIES, PASSAGES, BEST, SEED = 1000, 5000, 10, 1196
RESAMPLES = 10_000
LEAST_CHARS = 100  # shorter descriptions only repeat the summary


def descriptions(folder: Path) -> Iterator[tuple[str, str]]:
    """Summary and long description of each package that has both."""
    for file in sorted(folder.glob("*_i18n_Translation-en*")):
        text = subprocess.run([READER, "cat-file", file], capture_output=True, text=True, check=True).stdout
        for entry in text.split("\n\n"):
            summary, _, long = entry.partition("Description-en: ")[2].partition("\n")
            body = " ".join(line.strip() for line in long.splitlines() if line.strip() != ".")
            if summary and len(body) >= LEAST_CHARS:
                yield summary.strip(), body


def chosen(folder: Path) -> tuple[list[str], list[str]]:
    """Different summaries and their descriptions, the same ones each time, in a random order."""
    by_summary: dict[str, str] = {}
    for summary, body in descriptions(folder):
        by_summary.setdefault(summary, body)
    by_body = {body: summary for summary, body in sorted(by_summary.items())}
    pairs = sorted((summary, body) for body, summary in by_body.items())
    random.Random(SEED).shuffle(pairs)
    summaries, bodies = [summary for summary, _ in pairs], [body for _, body in pairs]
    return summaries[:QUERIES], bodies[:PASSAGES]


def gains(queries: np.ndarray, passages: np.ndarray) -> np.ndarray:
    """nDCG@10 of each query, whose one right passage has its own number."""
    scores = queries @ passages.T
    own = scores[np.arange(len(queries)), np.arange(len(queries))]
    ranks = (scores > own[:, None]).sum(axis=1)
    return np.where(ranks < BEST, 1 / np.log2(ranks + 2.0), 0.0)


def interval(differences: np.ndarray) -> tuple[float, float]:
    """95 % of the means of queries drawn again and again."""
    drawn = np.random.default_rng(SEED).integers(0, len(differences), (RESAMPLES, len(differences)))
    low, high = np.percentile(differences[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else LISTS
    queries, passages = chosen(folder)
    if not queries:
        sys.exit(f"{folder} holds no descriptions: `apt-get -o Acquire::Languages=en update` fetches them")
    sys.stdout.write(f"{len(queries)} summaries, {len(passages)} descriptions\n")
    found = {}
    for precision in ("float32", "bfloat16", "int8"):
        encoder = open_encoder(plan(default_model(), precision=precision))
        vectors = [np.asarray(encoder.encode(texts).vectors) for texts in (queries, passages)]
        found[precision] = gains(*vectors)
        differences = found[precision] - found["float32"]
        low, high = interval(differences)
        sys.stdout.write(
            f"{precision:9} nDCG@{BEST} {found[precision].mean():.4f}, "
            f"to float32 {differences.mean():+.4f} ({low:+.4f} to {high:+.4f})\n"
        )


if __name__ == "__main__":
    main()
