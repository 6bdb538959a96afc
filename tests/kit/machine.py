"""What all this was measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.kit.places import INFINITY, ROOT, default_model

FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "asimd", "bf16")
LIBRARIES = (
    "flask",
    "gunicorn",
    "torch",
    "transformers",
    "sentence-transformers",
    "tokenizers",
    "fastapi",
    "uvicorn",
    "onnxruntime",
)


def machine_facts() -> dict[str, Any]:
    """Processor, cores, instruction sets, memory, system, and how busy it was."""
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", cpu, re.MULTILINE)
    have = set(flags[1].split()) if flags else set()
    name = re.search(r"^model name\s*:\s*(.*)$", cpu, re.MULTILINE)
    family = {
        key: (re.search(rf"^{key}\s*:\s*(\d+)$", cpu, re.MULTILINE) or ["", "?"])[1] for key in ("cpu family", "model")
    }
    return {
        "processor": name[1] if name else platform.machine(),
        **family,
        "cores": len(os.sched_getaffinity(0)),
        "instruction_sets": [flag for flag in FLAGS if flag in have],
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "load_average_before": os.getloadavg()[0],
    }  # fmt: skip


def software_facts() -> dict[str, Any]:
    """Commit, whether the checkout has changes beside it, model, versions."""
    return {
        "commit": _git("rev-parse", "--short=12", "HEAD"),
        "changes_beside_the_commit": bool(_git("status", "--porcelain")),
        "model": default_model().model_id,
        "model_sha256": default_model().sha256,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in LIBRARIES} | {"infinity-emb": _infinity_version()},
    }


def _git(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return result.stdout.strip()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"


def _infinity_version() -> str:
    found = next(INFINITY.glob("lib/python*/site-packages/infinity_emb-*.dist-info"), None)
    return found.name.split("-")[1].removesuffix(".dist") if found else "none"
