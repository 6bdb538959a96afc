"""Small C programs around the kernel's headers, for what no call of the library reaches."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from app.encoder.native import build

KERNEL = build.HERE / "kernel"


def compiled(source: str, folder: Path) -> Path:
    """The program, compiled with the kernel's own flags; without a compiler the test is skipped."""
    (folder / "program.c").write_text(source)
    try:
        compiler = build.compiler()
    except build.NoCompilerError as error:
        pytest.skip(str(error))
    flags = [flag for flag in build.FLAGS if flag != "-fPIC"]
    command = [*compiler, *flags, f"-I{KERNEL}", "-o", "program", "program.c", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "program"
