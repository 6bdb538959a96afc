"""Write the lock files of this folder: every version pinned, every file hashed.

torch needs two cares. The registry's build for Linux asks for CUDA packages that a CPU build does not want, so those
go to a file of their own, which `make install` reads only when the installed torch asks for them. And a CPU build is
another file with another hash. pip, when it checks hashes, prefers a file whose hash the index tells over one that
merely lies in a folder (`--find-links`), so the CPU build is asked for first, by its full version, in its own file.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
# torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl
CPU_TORCH = "torch==2.13.0+cpu"
CPU_TORCH_HASH = " \\\n    --hash=sha256:6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"
CUDA = re.compile(r"^(cuda-|nvidia-|triton==)")
HEADER = "# Written by `make lock` from {source}; install with --no-deps --require-hashes.\n"


def resolve(source: str, *options: str) -> list[str]:
    """One block of lines for each pinned requirement of `source`, for every platform and Python from 3.11 on."""
    command = ["uv", "pip", "compile", "--universal", "--generate-hashes", "--no-header", "--no-annotate"]
    command += ["--python-version", "3.11", "--no-emit-index-url", str(HERE / source), *options]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return re.split(r"\n(?=[a-z])", text.strip())


def without(blocks: list[str], installed: list[str]) -> list[str]:
    """Those that are not pinned among `installed`."""
    pinned = {block.split(" ")[0] for block in installed}
    return [block for block in blocks if block.split(" ")[0] not in pinned]


def write(name: str, source: str, blocks: list[str]) -> None:
    """Write one lock file and say how many requirements it pins."""
    (HERE / name).write_text(HEADER.format(source=source) + "\n".join(blocks) + "\n", encoding="utf-8")
    sys.stdout.write(f"config/{name}: {len(blocks)} requirements\n")


def main() -> None:
    """Resolve the inputs and write the lock files."""
    light = resolve("requirements.in")
    write("requirements.txt", "requirements.in", light)
    write("requirements-model.txt", "requirements-model.in", resolve("requirements-model.in", "--no-deps"))
    with_torch = without(resolve("requirements-torch.in"), light)
    cuda = [block for block in with_torch if CUDA.match(block)]
    anywhere = [
        block + (CPU_TORCH_HASH if block.startswith("torch==") else "") for block in with_torch if block not in cuda
    ]
    write("requirements-torch.txt", "requirements-torch.in", anywhere)
    write("requirements-torch-cpu.txt", "requirements-torch.in", [CPU_TORCH + CPU_TORCH_HASH])
    write("requirements-torch-cuda.txt", "requirements-torch.in", cuda)
    write("requirements-otel.txt", "requirements-otel.in", without(resolve("requirements-otel.in"), light))
    tools = resolve("requirements-dev.in")
    write("requirements-dev.txt", "requirements-dev.in", tools)
    seen = [f"-c{HERE / name}" for name in ("requirements.txt", "requirements-dev.txt")]
    for name in ("page", "kubernetes"):
        blocks = resolve(f"requirements-{name}.in", *seen)
        write(f"requirements-{name}.txt", f"requirements-{name}.in", without(blocks, light + tools))
    with_torch_seen = [*seen, f"-c{HERE / 'requirements-torch.txt'}"]
    ray = [block for block in resolve("requirements-ray.in", *with_torch_seen) if not CUDA.match(block)]
    write("requirements-ray.txt", "requirements-ray.in", without(ray, light + anywhere + tools))
    write("requirements-models.txt", "requirements-models.in", resolve("requirements-models.in", "--no-deps"))
    for name in ("clients", "clients-more", "sbom"):
        write(f"requirements-{name}.txt", f"requirements-{name}.in", resolve(f"requirements-{name}.in"))
    # The bench's environments see .venv's packages: torch comes from there alone.
    for name in ("bench", "bench-infinity", "bench-openvino"):
        blocks = [block for block in resolve(f"requirements-{name}.in") if not CUDA.match(block)]
        own = without(blocks, light + anywhere)
        write(f"requirements-{name}.txt", f"requirements-{name}.in", own)


if __name__ == "__main__":
    main()
