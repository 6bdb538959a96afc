"""The command on two nodes: the local way's vectors to the bit, killed anywhere, refused where it must be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from tests.cluster.nodes import Nodes, actors, await_shards, contents, embed, embedding, kill, lines, parts, table

COUNT = 3000
SHARD = ("--shard-bytes", "4096")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines of several lengths; every tenth is empty, and one is no text."""
    folder = tmp_path_factory.mktemp("corpus")
    texts = [line * (1 + at % 3) if at % 10 else "" for at, line in enumerate(lines(COUNT))]
    (folder / "a.txt").write_bytes("\n".join(texts).encode().replace(b"4: a line", b"4: a\xff line", 1))
    return folder


@pytest.fixture(scope="module")
def local(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, list[int]]:
    """The local way's vectors and ids."""
    output = tmp_path_factory.mktemp("local") / "a.npy"
    code, said = embed(corpus / "a.txt", "-o", output)
    assert code == 0, said
    return np.load(output), [json.loads(line) for line in output.with_suffix(".ids.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(corpus: Path, nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    code, said = embed(corpus, *SHARD, "--out", folder, "--ray", nodes.address)
    assert code == 0, said
    assert "Stopped" not in said
    assert "1 line without a vector" in said
    return folder


def test_the_rows_are_the_local_way_s_to_the_bit_and_in_order(
    corpus: Path, whole: Path, local: tuple[np.ndarray, list[int]]
) -> None:
    found = table(whole)
    vectors = np.stack(found["vector"].to_numpy())
    assert vectors.dtype == np.float32
    assert found["id"].to_pylist() == [f"{corpus}/a.txt:{line}" for line in local[1]]
    assert vectors.tobytes() == local[0].tobytes()
    assert len(parts(whole)) > 20


def test_what_stands_beside_the_parts(corpus: Path, whole: Path) -> None:
    [rejected] = list((whole / "_rejected").iterdir())
    told = json.loads(rejected.read_text())
    assert told | {"file": f"{corpus}/a.txt", "reason": "no UTF-8: invalid start byte at byte 4"} == told
    manifest = [json.loads(line) for line in (whole / "_manifest.jsonl").read_text().splitlines()]
    assert [one["part"] for one in manifest] == [path.name for path in parts(whole)]
    assert sum(one["vectors"] for one in manifest) == len(table(whole))
    assert sum(one["lines"] for one in manifest) == COUNT
    metadata = pyarrow.parquet.read_schema(parts(whole)[0]).metadata
    assert metadata[b"serve_bert.model"] == b"sentence-transformers/all-MiniLM-L6-v2"
    assert len(metadata[b"serve_bert.fingerprint"]) > 8
    assert len(pyarrow.parquet.read_table(whole)) == len(table(whole)), "a reader of folders takes the parts alone"
    assert not list(whole.rglob(".*"))


def test_what_is_whole_is_not_done_again(corpus: Path, whole: Path, nodes: Nodes) -> None:
    before = contents(whole)
    code, said = embed(corpus, *SHARD, "--out", whole, "--ray", nodes.address)
    assert code == 0
    assert f"{len(parts(whole))} shards, {len(parts(whole))} of them done" in said
    assert contents(whole) == before


@pytest.mark.parametrize("victim", ["an actor", "the driver", "Ctrl-C"])
def test_killed_in_the_middle_it_gives_the_same_bytes(
    corpus: Path, whole: Path, nodes: Nodes, tmp_path: Path, victim: str
) -> None:
    folder = tmp_path / "out"
    command = (corpus, *SHARD, "--out", folder, "--ray", nodes.address)
    with embedding(tmp_path / "log", *command) as session:
        await_shards(folder, 3)
        if victim == "an actor":
            kill(actors()[0])
            assert session.process.wait(120) == 0, (tmp_path / "log").read_text()
        elif victim == "the driver":
            kill(session.pid)
        else:
            session.process.send_signal(2)
            assert session.process.wait(60) == 130
            assert "The same command goes on from there" in (tmp_path / "log").read_text()
    if victim != "an actor":
        assert len(parts(folder)) < len(parts(whole))
        code, said = embed(*command)
        assert code == 0, said
        assert ", 0 of them done" not in said
    assert contents(folder) == contents(whole)


def test_a_damaged_part_is_made_again(corpus: Path, whole: Path, nodes: Nodes, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    shutil.copytree(whole, folder)
    parts(folder)[3].write_bytes(b"")
    parts(folder)[5].unlink()
    (folder / "_done" / "00007.json").unlink()
    code, said = embed(corpus, *SHARD, "--out", folder, "--ray", nodes.address)
    assert code == 0, said
    assert contents(folder) == contents(whole)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--vectors", "float16"], "vectors was 'float32' and is 'float16'"),
        (["--precision", "float32", "--isa", "plain"], "precision was "),
        (["--with-text"], "with_text was False and is True"),
        (["--max-tokens", "16"], "max_tokens was 256 and is 16"),
    ],
)
def test_another_way_is_not_gone_on_with(
    corpus: Path, whole: Path, nodes: Nodes, flags: list[str], sentence: str
) -> None:
    code, said = embed(corpus, *SHARD, *flags, "--out", whole, "--ray", nodes.address)
    assert code == 1
    assert sentence in said
    assert "was begun otherwise" in said
    assert said.count("\n") == 1


def test_what_was_chosen_once_is_not_chosen_again(corpus: Path, nodes: Nodes, tmp_path: Path) -> None:
    command = (corpus, "--ray", nodes.address, "--out", tmp_path / "out")
    code, said = embed(*command, "--precision", "float32")
    assert code == 0, said
    before = contents(tmp_path / "out")
    parts(tmp_path / "out")[0].unlink()
    code, said = embed(*command)
    assert code == 0, said
    assert "native, float32" in said
    assert contents(tmp_path / "out") == before


def test_names_are_those_of_the_folder_where_the_command_was_given(nodes: Nodes, tmp_path: Path) -> None:
    """The cluster's processes stand in another."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("one\n")
    (tmp_path / "b.csv").write_text("text\ntwo\n")
    code, said = embed("in/", "b.csv", "--out", "out", "--ray", nodes.address, cwd=tmp_path)
    assert code == 0, said
    assert table(tmp_path / "out")["id"].to_pylist() == ["in/a.txt:1", "b.csv:2"]


def test_lines_that_give_nothing_make_an_empty_part(nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\n\xff\n")
    (tmp_path / "b.txt").write_bytes(b"")
    code, said = embed(tmp_path / "a.txt", tmp_path / "b.txt", "--out", tmp_path / "out", "--ray", nodes.address)
    assert code == 0, said
    assert "1 line without a vector" in said
    found = table(tmp_path / "out")
    assert (len(found), found.schema.field("vector").type.list_size) == (0, 384)


POISON = """
import os, sys, threading, time

def watch():
    while not hasattr(sys.modules.get("app.bulk.cluster.actor"), "encoded_by_length"):
        time.sleep(0.001)
    actor = sys.modules["app.bulk.cluster.actor"]
    before = actor.encoded_by_length
    actor.encoded_by_length = lambda *given: os._exit(1) if "poison" in given[1].texts else before(*given)

threading.Thread(target=watch, daemon=True).start()
"""


def test_a_shard_that_kills_whoever_tries_it_is_not_tried_for_ever(tmp_path: Path) -> None:
    """On a cluster of this machine alone, whose processes have the poison from their start."""
    (tmp_path / "sitecustomize.py").write_text(POISON)
    (tmp_path / "a.txt").write_text("poison\n")
    (tmp_path / "b.txt").write_text("fine\n")
    command = (tmp_path / "a.txt", tmp_path / "b.txt", "--out", tmp_path / "out", "--ray")
    code, said = embed(*command, environ={"PYTHONPATH": str(tmp_path)})
    assert code == 1
    assert "a.txt, after line 0: whoever tries it is killed" in said
    assert "1 shard of 2 could not be made. The same command tries again." in said
    code, said = embed(*command)
    assert code == 0, said
    assert "1 of them done" in said
    assert not (tmp_path / "out" / "_begun").exists()


def test_other_inputs_are_not_gone_on_with(corpus: Path, whole: Path, nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("more\n")
    code, said = embed(corpus, tmp_path / "more.txt", *SHARD, "--out", whole, "--ray", nodes.address)
    assert code == 1
    assert "more.txt was not among its inputs" in said


def test_half_the_bytes_and_the_text(corpus: Path, whole: Path, nodes: Nodes, tmp_path: Path) -> None:
    code, said = embed(corpus, "--vectors", "float16", "--with-text", "--out", tmp_path / "out", "--ray", nodes.address)
    assert code == 0, said
    found = table(tmp_path / "out")
    full = np.stack(table(whole)["vector"].to_numpy())
    assert found.schema.field("vector").type == pyarrow.list_(pyarrow.float16(), full.shape[1])
    assert (np.stack(found["vector"].to_numpy()) == full.astype(np.float16)).all()
    assert found["text"].to_pylist()[0] == lines(2)[1] * 2


def test_all_cores_are_taken_and_nothing_hangs(nodes: Nodes, tmp_path: Path) -> None:
    """Tasks that count lines ask for a hundredth of a core: Ray's own would wait for one that no actor gives back."""
    for number in range(4):
        (tmp_path / f"{number}.jsonl").write_text("".join(json.dumps({"text": one}) + "\n" for one in lines(40)))
    code, said = embed(
        *sorted(tmp_path.glob("*.jsonl")), "--out", tmp_path / "out", "--ray", nodes.address, timeout_s=90
    )
    assert code == 0, said
    assert "2 actors" in said
    assert len(table(tmp_path / "out")) == 160


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--out", "x", "--ray", "127.0.0.1:1"], "--ray 127.0.0.1:1: "),
        (["--ray"], "--ray needs --out FOLDER"),
        (["--out", "x"], "--out has an effect with --ray alone"),
        (["--out", "x", "-o", "y.npy", "--ray"], "-o and --overwrite have no effect"),
    ],
)
def test_what_cannot_be_is_one_sentence(corpus: Path, arguments: list[str], sentence: str) -> None:
    code, said = embed(corpus / "a.txt", *arguments)
    assert code in (1, 2)
    assert sentence in said
    assert "Traceback" not in said


def test_an_input_as_the_address_is_told(corpus: Path) -> None:
    code, said = embed("--out", "x", "--ray", corpus / "a.txt")
    assert code == 2
    assert "put --ray last" in said


def test_a_folder_of_something_else_is_left_alone(corpus: Path, nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    code, said = embed(corpus, "--out", tmp_path, "--ray", nodes.address)
    assert code == 1
    assert "has files, but no plan of ours" in said
    assert contents(tmp_path) == {"mine.txt": b"mine"}
