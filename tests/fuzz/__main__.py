"""Builds the kernel with AddressSanitizer and UBSan and runs the driver on it: `python -m tests.fuzz`.

FUZZ_S: for how many seconds (60; below 30 without AVX-512). FUZZ_SEED: the first case (else the time); a failure names
the seed of its case.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.encoder.native import build, library
from tests.unit import test_native_emulated as emulated

ROOT = Path(__file__).parents[2]
LEAST_S_FOR_AVX512 = 30


def main() -> None:
    seconds = float(os.environ.get("FUZZ_S", "60"))
    seed = int(os.environ.get("FUZZ_SEED", str(int(time.time()))))
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        sys.exit(run(Path(folder), seconds, seed))


def manner(seconds: float) -> tuple[str, tuple[str, ...]]:
    """How the paths of AVX-512 and of the tile unit are run, in words and in flags.

    The tile unit always in C, whose reads and writes the sanitizers see. AVX-512 by the processor, emulated, or not at
    all; without it, no tile path either.
    """
    if "avx512_bf16" in library.paths():
        return "with this processor's AVX-512 and emulated tiles", build.EMULATED_TILES
    why = "emulating it takes a minute to build" if seconds < LEAST_S_FOR_AVX512 else emulated.missing()
    return (f"without AVX-512: {why}", ()) if why else ("with AVX-512 and tiles emulated", (*build.EMULATED, "-O1"))


def run(folder: Path, seconds: float, seed: int) -> int:
    """Build and drive; returns the exit code."""
    target, last = folder / build.NAME, folder / "seed"
    words, flags = manner(seconds)
    print(f"Building with the sanitizers, {words} …", flush=True)
    build.build(target, *build.SANITIZERS, *flags)
    command = [sys.executable, "-m", "tests.fuzz.driver", str(target), str(seconds), str(seed), str(last)]
    code = subprocess.run(command, cwd=ROOT, env=os.environ | sanitized()).returncode
    if code:
        case = last.read_text() if last.is_file() else seed
        print(f"Failed. This case again: FUZZ_SEED={case} FUZZ_S={seconds:g} make fuzz")
    return code


def sanitized() -> dict[str, str]:
    """The environment in which Python can load a library that was built with the sanitizers."""
    command = [*build.compiler(), "-print-file-name=libasan.so"]
    runtime = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    if not Path(runtime).is_absolute():
        sys.exit("AddressSanitizer's runtime is not here: CC=gcc has one (on Debian: libasan8, with gcc)")
    return {
        "LD_PRELOAD": runtime,
        "ASAN_OPTIONS": "detect_leaks=0",  # Python itself leaks
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",  # so that ctypes' structs have red zones around them
    }


if __name__ == "__main__":
    main()
