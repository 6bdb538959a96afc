"""A file of texts to a file of vectors: reader, encoders, writer; stopped anywhere, the bytes are the same."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from app import encoder as encoders
from app.bulk import encoders as pools
from app.bulk import writer as writers
from app.bulk.encoders import Encoded, EncodersDiedError, encoded
from app.bulk.journal import JournalError, path_for
from app.bulk.reader import CHUNK_LINES, Chunk, Place, Reader, Rejected, format_of
from app.bulk.work import Work
from app.bulk.writer import Writer
from app.encoder import Checkpoint, Embeddings, Encoder, ModelInfo, Options
from app.errors import BulkError, ModelRefusedError
from app.request_errors import BackendError, NoTokensError, TextTooLongError
from tests.kernel import has_kernel

DIMENSION = 3


def reader(path: Path, content: bytes, **options: Any) -> Reader:
    path.write_bytes(content)
    return Reader(path, **({"format": format_of(path)} | options))


def read(tmp_path: Path, name: str, content: bytes, **options: Any) -> tuple[list[Any], list[str], dict[int, str]]:
    """Ids, texts, and the reasons by line."""
    chunks = list(reader(tmp_path / name, content, **options).chunks())
    return (
        [one for chunk in chunks for one in chunk.ids],
        [text for chunk in chunks for text in chunk.texts],
        {one.line: one.reason for chunk in chunks for one in chunk.rejected},
    )


def test_plain_lines_are_numbered_with_the_empty_ones(tmp_path: Path) -> None:
    content = "\ufeffone\n\ntwo\r\n\u2028 three\x0b four\n\xff".encode() + b"\nfive"
    assert read(tmp_path, "a.txt", content) == (
        [1, 3, 4, 5, 6],
        ["one", "two", "\u2028 three\x0b four", "\xff", "five"],
        {},
    )


def test_what_is_no_text_is_told_with_its_line(tmp_path: Path) -> None:
    content = b"good\nbad \xff here\n" + b"x" * 30 + b"\n" + b"y" * 300 + b"\nlast"
    ids, texts, rejected = read(tmp_path, "a.txt", content, max_chars=20, max_line_bytes=100)
    assert (ids, texts) == ([1, 5], ["good", "last"])
    assert rejected == {
        2: "no UTF-8: invalid start byte at byte 4",
        3: "the text has 30 characters, but a text may have 20",
        4: "the line has more than 100 bytes",
    }


def test_objects_with_named_fields(tmp_path: Path) -> None:
    lines = [
        '{"body": "one", "key": "a", "more": [1]}',
        "",
        '{"body": "two", "key": 7}',
        '{"body": "three"}',
        '{"text": "four", "key": 1}',
        '{"body": 5, "key": 1}',
        '{"body": "", "key": 1}',
        '{"body": "six", "key": true}',
        '["seven"]',
        '{"body": "eight"',
        '{"body": "\\ud800", "key": 1}',
        "[" * 5000,
    ]
    content = "\n".join(lines).encode()
    ids, texts, rejected = read(tmp_path, "a.jsonl", content, text_field="body", id_field="key")
    assert (ids, texts) == (["a", 7], ["one", "two"])
    assert list(rejected) == [4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert rejected[4] == "there is no field 'key'"
    assert rejected[5] == "there is no field 'body'"
    assert rejected[6] == "'body' is a number, not a string"
    assert rejected[7] == "'body' is empty: there is nothing to encode"
    assert rejected[8] == "'key' is true or false, neither a string nor a whole number"
    assert rejected[9] == "no JSON object, but a list"
    assert all(rejected[line].startswith("no JSON: ") for line in (10, 11, 12))


def test_rows_of_a_csv(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbfkey,text\r\na,"one, ""1"""\r\nb,"two\nlines"\r\nc,\r\nd,bad \xff\r\n\r\nf,last'
    ids, texts, rejected = read(tmp_path, "a.csv", content, id_field="key")
    assert (ids, texts) == (["a", "b", "f"], ['one, "1"', "two\nlines", "last"])
    assert rejected == {5: "'text' is empty: there is nothing to encode", 6: "no UTF-8: invalid start byte at byte 4"}
    assert read(tmp_path, "a.tsv", b"text\tother\none\t1\n")[:2] == ([2], ["one"])


def test_a_mark_that_is_never_closed_costs_its_line(tmp_path: Path) -> None:
    content = b'text\n"open\none\ntwo\n' + b"x" * 90 + b"\nend"
    ids, texts, rejected = read(tmp_path, "a.csv", content, max_line_bytes=50)
    assert (ids, texts) == ([3, 4, 6], ["one", "two", "end"])
    assert rejected == {2: "no CSV: the row has more than 50 bytes", 5: "no CSV: the row has more than 50 bytes"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"a,b\n", "no column 'text', but a, b"), (b"", "it is empty"), (b"\na", "its first line is empty")],
)
def test_a_csv_without_its_column_is_refused_before_anything_begins(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(BulkError, match=sentence):
        work_on(tmp_path / "a.csv", "a.npy").check()


def test_without_a_named_id_it_is_the_line(tmp_path: Path) -> None:
    assert read(tmp_path, "a.ndjson", b'\n{"text": "x", "id": "no"}\n')[0] == [2]


def test_chunks_are_the_same_from_wherever_one_ended(tmp_path: Path) -> None:
    content = b"".join(b"line %d\n" % number for number in range(3 * CHUNK_LINES + 5)) + b"z" * (3 << 20) + b"\nend"
    whole = list(reader(tmp_path / "a.txt", content).chunks())
    assert [len(chunk.texts) for chunk in whole] == [CHUNK_LINES] * 3 + [5, 1]
    assert whole[-1].end == Place(len(content), 3 * CHUNK_LINES + 7)
    for index, chunk in enumerate(whole):
        assert list(reader(tmp_path / "a.txt", content).chunks(chunk.end)) == whole[index + 1 :]


class Stub:
    """Vectors of a text's length; some texts fail as an engine's do."""

    info = ModelInfo(
        **dict.fromkeys(ModelInfo.__dataclass_fields__, "")  # type: ignore[arg-type]
        | {"dimension": DIMENSION, "max_tokens": 9}
    )

    def encode(self, texts: Sequence[str], options: Options) -> Embeddings:
        for index, text in enumerate(texts):
            if text == "nothing":
                raise NoTokensError(index)
            if len(text) > 9 and not options.truncate:
                raise TextTooLongError(index, len(text), 9)
        if "infinite" in texts:
            raise BackendError("a vector is not finite")
        vectors = np.array([[len(text), ord(text[0]), 0.1] for text in texts], np.float32)
        lost = [max(0, len(text) - 9) for text in texts]
        return Embeddings(vectors, list(map(len, texts)), lost, 0.0, 0.0, "")


STUB = cast("Encoder", Stub())


def chunk_of(*texts: str) -> Chunk:
    numbers = list(range(1, len(texts) + 1))
    return Chunk(Place(1, len(texts)), list(texts), list(numbers), numbers)


def test_a_text_that_cannot_be_encoded_costs_no_other() -> None:
    found = encoded(STUB, chunk_of("a", "nothing", "infinite", "b", "far too long"), truncate=False)
    assert found.vectors[:, :2].tolist() == [[1, 97], [1, 98]]
    assert found.chunk.ids == [1, 4]
    assert found.chunk.rejected == [
        Rejected(2, "the text has no tokens for this model: there is nothing to encode", "nothing"),
        Rejected(3, "a vector is not finite", "infinite"),
        Rejected(
            5,
            "the text has 12 tokens, but this model takes 9, special tokens included; "
            'shorten it, or have it cut ("truncate": true, or BERT_TRUNCATE)',
            "far too long",
        ),
    ]


def test_what_is_cut_is_counted_and_no_text_is_no_vector() -> None:
    found = encoded(STUB, chunk_of("far too long", "b"), truncate=True)
    assert (found.tokens, found.cut_texts, found.lost_tokens) == (13, 1, 3)
    assert encoded(STUB, chunk_of(), truncate=True).vectors.shape == (0, DIMENSION)


class InProcess:
    """What a pool does, here."""

    def encode(self, chunks: Any) -> Any:
        for chunk in chunks:
            yield encoded(STUB, chunk, truncate=True)


def work_on(path: Path, output: str, **options: Any) -> Work:
    return Work(Reader(path, format_of(path), **options), path.parent / output, overwrite=False, truncate=True)


def make(work: Work, stop_after: int | None = None) -> bool:
    told = 0

    def tell(_: Writer) -> None:
        nonlocal told
        told += 1

    with work.writer(Stub.info) as writer:
        pool: Any = InProcess()
        return work.run(pool, writer, tell, lambda: stop_after is not None and told >= stop_after)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    lines = [f"text {number}".encode() for number in range(5 * CHUNK_LINES + 7)]
    lines[3], lines[CHUNK_LINES + 1], lines[-2] = b"", b"\xff", b"nothing"
    path.write_bytes(b"\n".join(lines))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith("out")}


@pytest.mark.parametrize("output", ["out.npy", "out.jsonl"])
def test_stopped_anywhere_the_bytes_are_the_same(texts: Path, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.bulk.writer.RECORD_EVERY_S", 1000)
    assert make(work_on(texts, output))
    whole = contents(texts.parent)
    rejected = [json.loads(line) for line in whole.pop("out.rejected.jsonl").splitlines()]
    assert [one["line"] for one in rejected] == [CHUNK_LINES + 2, 5 * CHUNK_LINES + 6]
    for path in texts.parent.glob("out*"):
        path.unlink()
    for stop_after in (0, 1, 2):
        assert not make(work_on(texts, output), stop_after)
        assert output not in contents(texts.parent)
    with (texts.parent / f"{output}.unfinished").open("ab") as growing:
        growing.write(b"what a killed run wrote after its last record")
    assert make(work_on(texts, output))
    assert {name: bytes_ for name, bytes_ in contents(texts.parent).items() if "rejected" not in name} == whole


def test_an_array_has_a_row_for_each_id(texts: Path) -> None:
    make(work_on(texts, "out.npy"))
    array = np.load(texts.parent / "out.npy")
    ids = [json.loads(line) for line in (texts.parent / "out.ids.jsonl").read_bytes().splitlines()]
    assert (array.dtype, array.shape) == (np.dtype("<f4"), (len(ids), DIMENSION))
    lines = texts.read_bytes().split(b"\n")
    assert array[:, 0].tolist() == [len(lines[one - 1]) for one in ids]
    assert len(ids) == len(lines) - 3


def test_json_lines_have_id_and_embedding(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "abc", "id": "x"}\n')
    make(work_on(path, "out.jsonl", id_field="id"))
    assert json.loads((tmp_path / "out.jsonl").read_text()) == {"id": "x", "embedding": [3, 97, 0.1]}
    assert not (tmp_path / "out.rejected.jsonl").exists()


def test_there_is_no_going_on_with_something_else(texts: Path) -> None:
    make(work_on(texts, "out.npy"), stop_after=1)
    other = Work(work_on(texts, "out.npy").reader, texts.with_name("out.npy"), overwrite=False, truncate=False)
    with pytest.raises(JournalError, match="begun otherwise: truncate was True and is False; --overwrite begins"):
        make(other)
    with texts.open("ab") as file:
        file.write(b"\none more")
    with pytest.raises(
        JournalError, match=r"was begun otherwise: its input was another file \(\d+ bytes, written at 2"
    ):
        make(work_on(texts, "out.npy"))
    assert make(Work(other.reader, other.output, overwrite=True, truncate=True))
    with pytest.raises(JournalError, match=r"out\.npy is there already; --overwrite makes it anew"):
        make(work_on(texts, "out.npy"))
    assert not list(texts.parent.glob("*.unfinished*"))


def test_an_input_that_changes_meanwhile_is_no_success(texts: Path) -> None:
    work = work_on(texts, "out.npy")
    with work.writer(Stub.info) as writer:
        pool: Any = InProcess()
        with pytest.raises(JournalError, match=r"texts\.txt has changed while it was read"):
            work.run(pool, writer, lambda _: os.truncate(texts, 9), lambda: False)
    assert not work.output.exists()


def test_a_pipe_is_refused_first(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(JournalError, match="pipe is no regular file"):
        work_on(tmp_path / "pipe", "out.npy").check()


def test_a_disk_that_takes_no_more_is_said_with_the_file(texts: Path) -> None:
    work = work_on(texts, "out.npy")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
        with pytest.raises(JournalError, match=r"out\.npy cannot be written: File too large; once it can, the same"):
            make(work)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, kept)
    assert make(work)


def test_what_is_damaged_is_said(texts: Path) -> None:
    make(work_on(texts, "out.npy"), stop_after=1)
    growing = texts.with_name("out.npy.unfinished")
    growing.write_bytes(growing.read_bytes()[:100])
    with pytest.raises(JournalError, match="is gone or too short"):
        make(work_on(texts, "out.npy"))
    path_for(texts.with_name("out.npy")).write_text("{")
    with pytest.raises(JournalError, match="is damaged"):
        make(work_on(texts, "out.npy"))


def test_one_process_at_a_time_writes_an_output(texts: Path) -> None:
    work = work_on(texts, "out.npy")
    with work.writer(Stub.info), pytest.raises(JournalError, match=r"another process is writing .*out\.npy"):
        work.writer(Stub.info)
    assert make(work)


def test_a_full_disk_amid_a_write_leaves_the_last_record(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(work_on(texts, "whole.npy"))
    work, lines, calls = work_on(texts, "out.npy"), writers._lines, iter(range(100))

    def full(rows: Sequence[Any]) -> bytes:
        if next(calls) == 5:
            raise JournalError("full")
        return lines(rows)

    with monkeypatch.context() as disk:
        disk.setattr(writers, "_lines", full)
        with pytest.raises(JournalError, match="full"):
            make(work)
    assert work.output.with_name("out.npy.unfinished").stat().st_size
    assert make(work)
    assert texts.with_name("out.npy").read_bytes() == texts.with_name("whole.npy").read_bytes()


def test_stopped_between_the_last_record_and_the_names(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(work_on(texts, "whole.npy"))
    with monkeypatch.context() as killed:
        killed.setattr("app.bulk.parts.Parts.name", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            make(work_on(texts, "out.npy"))
    assert path_for(texts.with_name("out.npy")).exists()
    texts.with_name("out.ids.jsonl.unfinished").replace(texts.with_name("out.ids.jsonl"))
    assert make(work_on(texts, "out.npy"))
    for end in ("npy", "ids.jsonl", "rejected.jsonl"):
        assert texts.with_name(f"out.{end}").read_bytes() == texts.with_name(f"whole.{end}").read_bytes()
    assert not list(texts.parent.glob("*.unfinished*"))


@pytest.mark.parametrize(
    ("name", "output", "sentence"),
    [
        ("a.txt", "out.csv", "an output's name ends with .npy or .jsonl"),
        ("a.txt", "none/out.npy", "is no folder"),
        ("a.txt", "a.ids.jsonl", "an output's name ends with"),
        ("a.jsonl", "a.jsonl", "would take the input's place"),
        ("a.rejected.jsonl", "a.npy", "would take the input's place"),
    ],
)
def test_an_output_that_cannot_be_is_refused_first(tmp_path: Path, name: str, output: str, sentence: str) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(JournalError, match=sentence):
        work_on(tmp_path / name, output).check()


@pytest.mark.parametrize("output", ["out.npy", "out.jsonl"])
def test_an_empty_file_gives_an_empty_output(tmp_path: Path, output: str) -> None:
    (tmp_path / "empty.txt").touch()
    assert make(work_on(tmp_path / "empty.txt", output))
    assert set(contents(tmp_path)) == {output, *(["out.ids.jsonl"] if output == "out.npy" else [])}


@pytest.fixture
def plan(checkpoint: Checkpoint, tmp_path: Path) -> encoders.Plan:
    if not has_kernel():
        pytest.skip("there is no kernel; live tests have the other engine")
    return encoders.plan(checkpoint, engine="native", precision="float32", cache=str(tmp_path / "cache"))


def test_processes_give_the_vectors_in_order(plan: encoders.Plan, tmp_path: Path) -> None:
    lines = [f"text number {number}" for number in range(2 * CHUNK_LINES + 9)]
    source = reader(tmp_path / "a.txt", "\n".join(lines).encode())
    with pools.Encoders(plan, 2, truncate=True) as pool:
        assert pool.info().model_id == "sentence-transformers/all-MiniLM-L6-v2"
        found: list[Encoded] = list(pool.encode(source.chunks()))
    assert [one for each in found for one in each.chunk.ids] == list(range(1, len(lines) + 1))
    expected = encoders.open_encoder(plan).encode(lines[-9:])
    assert np.array_equal(found[-1].vectors, expected.vectors)
    assert sum(each.tokens for each in found[-1:]) == expected.tokens


def test_a_process_that_is_killed_is_said(plan: encoders.Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = reader(tmp_path / "a.txt", b"one\n")
    monkeypatch.setattr(pools, "encoded", lambda *_, **__: os.kill(os.getpid(), 9))
    with pools.Encoders(plan, 1, truncate=True) as pool, pytest.raises(EncodersDiedError, match="was killed"):
        list(pool.encode(source.chunks()))


def test_a_model_that_cannot_be_loaded_is_said(plan: encoders.Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: encoders.Plan) -> None:
        raise ModelRefusedError("torn")

    monkeypatch.setattr(pools, "open_encoder", refuse)
    with pools.Encoders(plan, 1, truncate=True) as pool, pytest.raises(ModelRefusedError, match="torn"):
        pool.info()
