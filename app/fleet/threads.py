"""One thread of arithmetic a worker, pinned before any library reads the environment."""

from __future__ import annotations

import os

# Each of these libraries otherwise starts a thread a core in every worker, which costs a factor of 13 here.
SINGLE_THREADED = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def pin() -> None:
    """Pin every arithmetic library to one thread. Call it before numpy, torch or tokenizers is imported."""
    os.environ.update(SINGLE_THREADED)
