"""The cluster, and the command on it: started as a user starts it, and no process is left of either."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow.parquet
from ray.cluster_utils import Cluster

from tests.kit.places import ROOT
from tests.kit.session import Session, wait_for

COMMAND = [sys.executable, "-m", "app", "embed"]
# A hang is a failure.
LONGEST_S = 150
STORE_BYTES = 80 << 20
ON_LOOPBACK = {"node_ip_address": "127.0.0.1"}
# What Ray has for systems whose firewalls ask: its processes and the command's find each other on loopback alone. And
# nobody is told of it. Installed, the package would be on every machine.
ENVIRON = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}
os.environ.update(ENVIRON)


@dataclass
class Nodes:
    """Two nodes; the driver's `ray.init` finds the first."""

    cluster: Any
    second: Any

    @property
    def address(self) -> str:
        found: str = self.cluster.address
        return found


@contextmanager
def two_nodes() -> Iterator[Nodes]:
    node = {"num_cpus": 1, "object_store_memory": STORE_BYTES, "include_dashboard": False} | ON_LOOPBACK
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        del node["include_dashboard"]
        second = cluster.add_node(**node)
        cluster.wait_for_nodes()
        yield Nodes(cluster, second)
    finally:
        cluster.shutdown()


def environment() -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("BERT_", "AWS_"))}
    return mine | ENVIRON | {"NO_PROXY": "*"}


def embed(
    *arguments: str | Path,
    timeout_s: float = LONGEST_S,
    environ: Mapping[str, str] = MappingProxyType({}),
    cwd: Path = ROOT,
) -> tuple[int, str]:
    """The command's exit code and what it said. Raises TimeoutExpired."""
    command = [*COMMAND, *map(str, arguments)]
    environ = environment() | dict(environ)
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=timeout_s, check=False)
    return done.returncode, done.stderr


@contextmanager
def embedding(log: Path, *arguments: str | Path) -> Iterator[Session]:
    """The command while it runs."""
    with log.open("wb") as output:
        session = Session([*COMMAND, *map(str, arguments)], environment(), ROOT, output)
    try:
        yield session
    finally:
        session.end(20)


def await_shards(folder: Path, count: int) -> None:
    """Until so many are whole."""
    wait_for(lambda: len(list((folder / "_done").glob("*.json"))) >= count, f"{count} shards", LONGEST_S)


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"))


def contents(folder: Path) -> dict[str, bytes]:
    """All files below it, but hidden ones."""
    found = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def table(folder: Path) -> Any:
    """All rows in order."""
    return pyarrow.concat_tables([pyarrow.parquet.read_table(path) for path in parts(folder)])


def actors() -> list[int]:
    """Processes of Ray's that encode."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and b"MapWorker(Map(Actor)" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def lines(count: int) -> Sequence[str]:
    return [f"{number}: a line about {number % 97} things and {number % 13} others" for number in range(count)]
