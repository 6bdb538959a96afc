"""What one would write without serve-bert: Ray Data with SentenceTransformer.encode, in the same kind of actors.

python -m tests.cluster.theirs ADDRESS FILE FOLDER MODEL: prints the seconds from the first batch given to the last
vector written.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import Any

import ray
import ray.data

BATCH = 256
ACTORS = 2


class Encode:
    """Holds a model; one thread, as each actor has one core."""

    def __init__(self, model: str) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(1)
        self._model = SentenceTransformer(model, device="cpu", local_files_only=True)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"id": batch["id"], "vector": self._model.encode(list(batch["text"]), batch_size=32)}


def main() -> None:
    address, file, folder, model = sys.argv[1:]
    ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    lines = Path(file).read_text(encoding="utf-8", errors="replace").split("\n")
    rows = [{"id": number, "text": line} for number, line in enumerate(lines, start=1) if line]
    began_s = time.monotonic()
    found = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // BATCH)).map_batches(
        Encode,
        fn_constructor_args=(model,),
        batch_size=BATCH,
        compute=ray.data.ActorPoolStrategy(size=ACTORS),
        num_cpus=1 - 0.01,
    )
    found.write_parquet(folder, ray_remote_args={"num_cpus": 0.01})
    sys.stdout.write(f"{time.monotonic() - began_s}\n")


if __name__ == "__main__":
    main()
