"""Shards of a file, read one by one, are the file read at once: whatever is in it, and wherever it is cut."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from app.bulk.cluster import cut, inputs, shard_texts
from app.bulk.cluster.plan import Recipe
from app.bulk.cluster.storage import Location
from app.bulk.reader import Chunk
from app.errors import BulkError

RECIPE: dict[str, Any] = dict.fromkeys(Recipe.__struct_fields__, "") | {
    "text_field": "text",
    "max_chars": 200,
    "max_line_bytes": 400,
    "truncate": True,
    "with_text": False,
    "dimension": 4,
    "max_tokens": 9,
}


def recipe(shard_bytes: int, **others: Any) -> Recipe:
    return Recipe(**(RECIPE | {"shard_bytes": shard_bytes} | others))


def cut_and_read(path: Path, how: Recipe) -> list[Chunk]:
    sources = inputs.found([str(path)], None)
    shards = cut.shards([cut.count(one, how) for one in cut.ranges(sources, how.shard_bytes)])
    assert [one.number for one in shards] == list(range(len(shards)))
    return [shard_texts.read(sources[one.input], one, how) for one in shards]


def whole(path: Path, how: Recipe) -> list[Chunk]:
    return list(cut.reader_of(inputs.found([str(path)], None)[0], how).chunks())


def rows(chunks: list[Chunk]) -> list[Any]:
    texts = [row for one in chunks for row in zip(one.lines, one.ids, one.texts, strict=True)]
    return [*texts, *(one for chunk in chunks for one in chunk.rejected)]


def random_lines(chance: random.Random, count: int) -> bytes:
    kinds = [b"", b"\r", b"x" * 300, b"y" * 900, b"bad \xff", "\u2028 é".encode(), b"plain", b"a longer plain line"]
    end = chance.choice([b"", b"\n"])
    return b"\n".join(chance.choice(kinds) for _ in range(count)) + end


@pytest.mark.parametrize("seed", range(40))
def test_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(cut, "RANGE_BYTES", chance.choice([1, 700, 1 << 20]))
    monkeypatch.setattr(cut, "BLOCK_BYTES", chance.choice([1, 7, 4096]))
    path, how = tmp_path / "a.txt", recipe(chance.choice([1, 16, 301, 5000]))
    path.write_bytes(random_lines(chance, chance.randrange(80)))
    assert rows(cut_and_read(path, how)) == rows(whole(path, how))


def test_a_shard_begins_at_the_first_line_at_or_after_each_multiple(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"1234567\n" * 4)
    assert [len(one.texts) for one in cut_and_read(path, recipe(8))] == [1, 1, 1, 1]
    assert [len(one.texts) for one in cut_and_read(path, recipe(9))] == [2, 1, 1]
    assert [len(one.texts) for one in cut_and_read(path, recipe(1000))] == [4]


@pytest.mark.parametrize("seed", range(20))
def test_csv_with_line_ends_in_its_fields(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    kinds = ['"two\nlines"', '"a ""quoted"" one"', "", '"b"c', '"never closed', "plain", '"x,y"', "é", "1,2"]
    content = "\ufeffkey,text\n" + "\n".join(f"{at},{chance.choice(kinds)}" for at in range(chance.randrange(60)))
    path, how = tmp_path / "a.csv", recipe(chance.choice([1, 40, 400]), id_field="key")
    path.write_bytes(content.encode().replace(b"plain", b"pl\xffain" if seed % 2 else b"plain"))
    assert rows(cut_and_read(path, how)) == rows(whole(path, how))


def test_what_a_csv_gives(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'key,text\na,one\nb,"two\nlines"\n\nc,\nd\ne,"open\nf,last\n"g"x,no\n')
    chunks = cut_and_read(path, recipe(1 << 20, id_field="key"))
    assert [(one.ids, one.texts) for one in chunks] == [(["a", "b", "f"], ["one", "two\nlines", "last"])]
    assert {one.line: one.reason for one in chunks[0].rejected} == {
        6: "'text' is empty: there is nothing to encode",
        7: "the row has 1 fields, but the first one names 2",
        8: "no CSV: ',' expected after '\"'",
        10: "no CSV: ',' expected after '\"'",
    }


def test_parquet_by_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "SHARD_ROWS", 3)
    path = tmp_path / "a.parquet"
    texts = ["one", None, "", "x" * 300, *(f"text {number}" for number in range(10))]
    table = pyarrow.table({"text": texts, "key": range(14), "other": [1.0] * 14})
    pyarrow.parquet.write_table(table, path, row_group_size=5)
    chunks = cut_and_read(path, recipe(1 << 20, id_field="key"))
    assert [len(one.texts) + len(one.rejected) for one in chunks] == [3, 2, 3, 2, 3, 1]
    assert [one for chunk in chunks for one in chunk.texts] == ["one", *texts[4:]]
    assert [one for chunk in chunks for one in chunk.ids] == [0, *range(4, 14)]
    assert [(one.line, one.reason) for chunk in chunks for one in chunk.rejected] == [
        (2, "'text' is null, not a string"),
        (3, "'text' is empty: there is nothing to encode"),
        (4, "the text has 300 characters, but a text may have 200"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", b"a,b\n1,2\n", "has no column 'text', but a, b"),
        ("a.csv", b"\n1,2\n", "is no CSV: its first line is empty"),
        ("a.parquet", b"no parquet at all", "is no Parquet"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BulkError, match=sentence):
        cut_and_read(path, recipe(100))


def test_a_file_that_changes_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one\n")
    sources = inputs.found([str(path)], None)
    [shard] = cut.shards([cut.count(one, recipe(100)) for one in cut.ranges(sources, 100)])
    path.write_text("two\nthree\n")
    with pytest.raises(BulkError, match="has changed since the plan was made"):
        shard_texts.read(sources[0], shard, recipe(100))


def test_which_files_a_folder_has(tmp_path: Path) -> None:
    taken = ("b.txt", "a/c.jsonl", "a/d.csv", "i.parquet")
    for name in (*taken, "_plan.json", ".e.txt", "f.png", "a/_g/h.txt", "j.txt.gz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(name))
    found = inputs.found([str(tmp_path)], None)
    named = [(Path(one.input.name).relative_to(tmp_path).as_posix(), one.input.format) for one in found]
    assert named == [("a/c.jsonl", "jsonl"), ("a/d.csv", "csv"), ("b.txt", "lines"), ("i.parquet", "parquet")]
    but = inputs.found([str(tmp_path)], None, but=Location(str(tmp_path / "a")))
    assert [one.input for one in but] == [one.input for one in found[2:]], "the output may lie within an input"


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["none.txt"], "none.txt is not there"),
        (["b.txt", "b.txt"], "b.txt is named twice"),
        (["j.txt.gz"], "j.txt.gz is compressed"),
        (["k.json"], "may be lines of text or of objects"),
        (["empty"], "there is no file of texts in empty"),
        (["nosuch://key:secret@a/b"], "^nosuch://a/b: "),
    ],
)
def test_names_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], sentence: str) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b.txt", "j.txt.gz", "k.json"):
        Path(name).write_text("x")
    Path("empty").mkdir()
    with pytest.raises(BulkError, match=sentence):
        inputs.found(names, None)
