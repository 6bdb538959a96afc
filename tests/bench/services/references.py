"""Writes the vectors that answers are checked by: sentence-transformers, one by one: `MODEL TEXTS OUTPUT LONGEST`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    from sentence_transformers import SentenceTransformer

    model, texts, output = map(Path, sys.argv[1:4])
    encoder = SentenceTransformer(str(model), device="cpu")
    if longest := int(sys.argv[4]):
        encoder.max_seq_length = longest
    vectors = [encoder.encode(text, show_progress_bar=False).tolist() for text in json.loads(texts.read_text())]
    partial = output.with_suffix(".partial")
    partial.write_text(json.dumps(vectors))
    partial.replace(output)


if __name__ == "__main__":
    main()
