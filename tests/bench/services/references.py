"""Writes the vectors that answers are held against: sentence-transformers, each text alone. `… MODEL TEXTS OUTPUT`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    from sentence_transformers import SentenceTransformer

    model, texts, output = map(Path, sys.argv[1:])
    encoder = SentenceTransformer(str(model), device="cpu")
    vectors = [encoder.encode(text, show_progress_bar=False).tolist() for text in json.loads(texts.read_text())]
    partial = output.with_suffix(".partial")
    partial.write_text(json.dumps(vectors))
    partial.replace(output)


if __name__ == "__main__":
    main()
