"""The questions that a real Text Embeddings Inference was asked: the same status, shape and vectors here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from app.encoder import Checkpoint
from tests.kit.fleet import Fleet, serving
from tests.live.recorded import Record, ask, is_same, records
from tests.live.tei_differences import DIFFERENCES

PROMPTS = {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": "passage"}
TIGHT = {
    "BERT_SERVED_MODEL_NAME": "small-bert",
    "BERT_TRUNCATE": "false",
    "BERT_MAX_BODY_BYTES": "2000",
    "BERT_MAX_TEXTS": "4",
    "BERT_CORS_ORIGINS": "http://a.example",
}
# Of what was asked with options that we have no setting for.
ALSO_MAIN = ("main", "busy", "similarity", "fragile")


@pytest.fixture(scope="module")
def prompted(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(checkpoint.directory, tmp_path_factory.mktemp("model") / "prompted"))
    path = folder / "config_sentence_transformers.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | PROMPTS))
    return folder


@pytest.mark.parametrize("server", ["main", "key", "tight", "prompts"])
def test_as_it_was_recorded(server: str, prompted: Path) -> None:
    environ: dict[str, dict[str, Any]] = {
        "key": {"BERT_API_KEY": "sesame-open"},
        "tight": TIGHT,
        "prompts": {"BERT_MODEL": str(prompted)},
    }
    with serving(workers=1, BERT_PRECISION="float32", **environ.get(server, {})) as fleet:
        asked = records(*(ALSO_MAIN if server == "main" else (server,)))
        seen = {record["id"]: difference(record, fleet) for record in asked}
    expected = {record["id"]: DIFFERENCES.get(record["id"], ("", ""))[0] for record in asked}
    assert {name: what for name, what in seen.items() if what != expected[name]} == {}


def difference(record: Record, fleet: Fleet) -> str:
    """What of our answer is not as it was recorded; "" if nothing."""
    answer, body = ask(record, fleet.port)
    if answer.status != record["status"]:
        return f"{answer.status} for {record['status']}"
    for name, kept in record.get("told", {}).items():
        if name.startswith("x-") and answer.headers[name] != kept:
            return f"{name} {answer.headers[name]} for {kept}"
    if answer.status == 405 and not methods(record["told"]["allow"]) <= methods(answer.headers["Allow"]):
        return "another Allow"
    if answer.status >= 400 and record["ask"][0] != "HEAD":
        return "" if is_refusal(record["ask"][1], body) else "another shape"
    if "answer" not in record:
        return ""
    kept, given = record["answer"], json.loads(body)
    if record["ask"][1] == "/info":
        kept, given = kinds(kept), kinds(given)
    return "" if is_same(kept, given) else "another answer"


def methods(allow: str) -> set[str]:
    return {method.strip() for method in allow.split(",")}


def is_refusal(path: str, body: bytes) -> bool:
    """Whether it is an error as this dialect's clients read it."""
    told = json.loads(body)
    if path.startswith(("/v1", "/embeddings", "/models")):
        return {"message", "type", "param", "code"} == set(told["error"])
    return isinstance(told["error"], str) and isinstance(told["error_type"], str)


def kinds(value: Any) -> Any:
    """Of each fact what it is, for what it says is its service's own."""
    if isinstance(value, dict):
        return {name: kinds(part) for name, part in value.items()}
    return "text or null" if value is None or isinstance(value, str) else type(value).__name__
