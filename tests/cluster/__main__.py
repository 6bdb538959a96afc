"""`serve-bert embed --ray` on two nodes beside the local way, and beside Ray Data with SentenceTransformer.encode.

    make bench-ray                        some 25 minutes; QUICK=1: two

300,000 lines of a dictionary (corpus.py) both ways, the rows compared to the bit; then the first 20,000, ours and
theirs in turn, five pairs. Each is timed from its command's start to its end, on the same two cores. At last all lines
three times more, killed in the middle: an actor, the command, which is given again, and a node, the bytes compared.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.cluster import corpus
from tests.cluster.nodes import (
    Nodes,
    actors,
    await_shards,
    contents,
    embed,
    embedding,
    environment,
    kill,
    parts,
    table,
    two_nodes,
)
from tests.kit.places import ROOT, default_model
from tests.kit.process import is_quick, prepare_process

LINES, FIRST, PAIRS = (20_000, 2_000, 1) if is_quick() else (300_000, 20_000, 5)
LONGEST_S = 3600.0
OURS, THEIRS = "serve-bert embed --ray", "Ray Data, SentenceTransformer.encode"


def main() -> None:
    """Print what is found."""
    prepare_process()
    with tempfile.TemporaryDirectory() as name, two_nodes() as nodes:
        folder = Path(name)
        file, out = whole(folder, nodes)
        beside(folder, nodes)
        killed(file, out, nodes)


def whole(folder: Path, nodes: Nodes) -> tuple[Path, Path]:
    """All lines both ways, twice in turn: their file, and the folder of the parts."""
    file = folder / "gcide.txt"
    texts = corpus.write(file, LINES)
    say(f"{LINES:,} lines of a dictionary, {texts:,} of them not empty, {file.stat().st_size / 1e6:.1f} MB")
    for turn in range(1 if is_quick() else 2):
        out, array = folder / f"out{turn}", folder / f"a{turn}.npy"
        ways = {"two nodes": ("--out", out, "--ray", nodes.address), "local": ("-o", array)}
        for way in sorted(ways, reverse=not turn):
            took_s = timed(file, *ways[way])
            say(f"{way:9s}  {took_s:7.1f} s  {LINES / took_s:7,.0f} lines/s")
    compare(file, out, array, texts)
    return file, out


def compare(file: Path, out: Path, array: Path, texts: int) -> None:
    """Exits if a row differs, or is missing."""
    found, vectors = table(out), np.load(array)
    ids = [json.loads(line) for line in array.with_suffix(".ids.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = np.concatenate([chunk.flatten().to_numpy() for chunk in found["vector"].chunks])
    if found["id"].to_pylist() != [f"{file}:{line}" for line in ids]:
        sys.exit("the ids differ")
    if rows.tobytes() != vectors.tobytes():
        differing = (rows.reshape(vectors.shape) != vectors).any(axis=1)
        sys.exit(f"{differing.sum():,} rows differ, the first at line {ids[differing.argmax()]}")
    rejected = sum(path.read_bytes().count(b"\n") for path in (out / "_rejected").glob("*"))
    if len(vectors) + rejected != texts:
        sys.exit(f"{len(vectors):,} vectors and {rejected:,} rejected lines of {texts:,}")
    say(f"{len(vectors):,} rows in {len(parts(out))} parts, equal to the bit and in order; {rejected:,} lines rejected")


def beside(folder: Path, nodes: Nodes) -> None:
    """Ours and theirs in turn."""
    file = folder / "first.txt"
    texts = corpus.write(file, FIRST)
    rates: dict[str, list[float]] = {OURS: [], THEIRS: []}
    for pair in range(PAIRS):
        for arm in list(rates)[:: 1 if pair % 2 else -1]:
            output = folder / f"{arm[:3]}{pair}"
            is_ours = arm == OURS
            took_s = timed(file, "--out", output, "--ray", nodes.address) if is_ours else theirs(file, output, nodes)
            rates[arm].append(texts / took_s)
    for arm, each in rates.items():
        say(f"{arm:38s} {statistics.median(each):7,.0f} texts/s  ({', '.join(f'{one:,.0f}' for one in each)})")
    ours, other = rates.values()
    say(f"quotients of the pairs: {', '.join(f'{a / b:.1f}' for a, b in zip(ours, other, strict=True))}")


def killed(file: Path, whole_out: Path, nodes: Nodes) -> None:
    """In the middle, three ways. Exits if a byte is another, or a line is lost or there twice."""
    for victim in ("an actor", "the command", "a node"):
        out = file.with_name(f"without {victim}")
        command = (file, "--out", out, "--ray", nodes.address)
        with embedding(file.with_suffix(".log"), *command) as session:
            await_shards(out, len(parts(whole_out)) // 3)
            if victim == "an actor":
                kill(actors()[0])
            elif victim == "the command":
                kill(session.pid)
            else:
                nodes.cluster.remove_node(nodes.second, allow_graceful=False)
            made = len(parts(out))
            code = session.process.wait(LONGEST_S)
        if code:
            timed(*command)
        if contents(out) != contents(whole_out):
            sys.exit(f"with {victim} killed the bytes are others")
        again = ", and the command given again" if code else ""
        say(f"{victim} killed after {made} of {len(parts(out))} parts{again}: the same bytes in every file")


def timed(*arguments: str | Path) -> float:
    """Seconds of the command. Exits if it fails."""
    began_s = time.monotonic()
    code, said = embed(*arguments, timeout_s=LONGEST_S)
    if code:
        sys.exit(said)
    return time.monotonic() - began_s


def theirs(file: Path, output: Path, nodes: Nodes) -> float:
    """The same of theirs."""
    began_s = time.monotonic()
    command = [sys.executable, "-m", "tests.cluster.theirs", nodes.address, str(file), str(output)]
    subprocess.run(
        [*command, str(default_model().directory)], cwd=ROOT, env=environment(), check=True, capture_output=True
    )
    return time.monotonic() - began_s


def say(sentence: str) -> None:
    """At once, into a log too."""
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
