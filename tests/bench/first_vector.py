"""From nothing to the first vector: seconds, bytes over the network and on disk, with empty caches.

    python3 -m tests.bench.first_vector                   git clone, make run
    python3 -m tests.bench.first_vector --wheel           pip install of the wheel, serve-bert in somebody else's folder
    … --here                                              make run in this checkout, which must be clean
    … --revision HEAD~10                                  the same of another commit
    … --no-cpu-build                                      without a CPU build of torch at hand

Needs nothing but Python, make, git and a C compiler. MB_DISK_MOST in the environment is a bound, for CI: over it, or
without a vector, this fails.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from tests.kit.session import Session, free_port, wait_for

ROOT = Path(__file__).parents[2]
LONGEST_S = 1800
END_S = 60
HIDDEN = ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "XDG_CACHE_HOME", "HF_HOME", "WEB_CONCURRENCY", "HOST", "PORT")


def main() -> None:
    """Measure once, print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--wheel", action="store_true")
    parser.add_argument("--here", action="store_true")
    parser.add_argument("--revision", default="HEAD")
    parser.add_argument("--no-cpu-build", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), asked)
    sys.stdout.write(json.dumps(vars(asked) | found) + "\n")
    if found["mb_environment"] > float(os.environ.get("MB_DISK_MOST", "inf")):
        sys.exit(f"the environment has more than {os.environ['MB_DISK_MOST']} MB")


def measure(folder: Path, asked: argparse.Namespace) -> dict[str, float]:
    """Seconds and megabytes until the first vector; all of it below `folder`."""
    environ = clean(folder, no_cpu_build=asked.no_cpu_build)
    checkout, port = ROOT if asked.here else folder / "checkout", free_port()
    if asked.wheel:
        clone(checkout, asked.revision)
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder / "wheels", checkout], check=True
        )
    received, began = network_bytes(), time.monotonic()
    if asked.wheel:
        environment, theirs = folder / "environment", folder / "theirs"
        theirs.mkdir()
        subprocess.run([sys.executable, "-m", "venv", environment], check=True, env=environ)
        wheel = next((folder / "wheels").glob("*.whl"))
        subprocess.run([environment / "bin" / "pip", "install", "-q", wheel], check=True, env=environ)
        command, where = [str(environment / "bin" / "serve-bert"), f"--port={port}"], theirs
    else:
        if not asked.here:
            clone(checkout, asked.revision)
        environment, command, where = checkout / ".venv", ["make", "run", f"PORT={port}"], checkout
    installed_s = time.monotonic() - began
    wait_for_vector(command, where, environ, port, folder / "log")
    return {
        "seconds": round(time.monotonic() - began, 1),
        **({"seconds_installed": round(installed_s, 1)} if asked.wheel else {}),
        "mb_received": megabytes(network_bytes() - received),
        "mb_environment": megabytes(size(environment)),
        "mb_caches": megabytes(sum(map(size, (folder / ".cache", folder / ".local")))),
    }


def clean(home: Path, *, no_cpu_build: bool) -> dict[str, str]:
    """An environment whose caches are empty; without our settings."""
    hidden = set(HIDDEN) - (set() if no_cpu_build else {"PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"})
    mine = {
        name: value
        for name, value in os.environ.items()
        if name not in hidden and not name.startswith(("BERT_", "MAKE"))
    }
    return mine | {"HOME": str(home), "NO_PROXY": "*"} | ({"PIP_CONFIG_FILE": os.devnull} if no_cpu_build else {})


def clone(checkout: Path, revision: str) -> None:
    """What is committed."""
    subprocess.run(["git", "clone", "-q", ROOT, checkout], check=True)
    subprocess.run(["git", "-C", checkout, "checkout", "-q", revision], check=True)


def wait_for_vector(command: list[str], where: Path, environ: dict[str, str], port: int, log_path: Path) -> None:
    """Start it, ask until a vector comes, stop it. Exits with its log if none does."""
    with log_path.open("wb") as log:
        service = Session(command, environ, where, log)
    try:
        wait_for(lambda: vector(port) or service.process.poll() is not None, "a vector", LONGEST_S)
        if service.process.poll() is not None:
            sys.exit(f"it ended at start:\n{log_path.read_text()[-3000:]}")
    except TimeoutError as error:
        sys.exit(f"{error}:\n{log_path.read_text()[-3000:]}")
    finally:
        service.end(END_S)


def vector(port: int) -> list[float] | None:
    """That of "Hello", once somebody answers."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/predict", b'{"text": "Hello"}', {"Content-Type": "application/json"}
    )
    with suppress(OSError), urllib.request.urlopen(request, timeout=5) as answer:
        found: list[float] = json.load(answer)["embeddings"][0]
        return found
    return None


def network_bytes() -> int:
    """Received by all interfaces but the loopback, by all processes of this machine."""
    lines = Path("/proc/net/dev").read_text(encoding="ascii").splitlines()[2:]
    fields = [line.replace(":", " ").split() for line in lines]
    return sum(int(field[1]) for field in fields if field[0] != "lo")


def size(folder: Path) -> int:
    """Bytes on disk of all files below it."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")) if folder.exists() else 0


def megabytes(count: int) -> float:
    """Of 10**6 bytes."""
    return round(count / 1e6, 1)


if __name__ == "__main__":
    main()
