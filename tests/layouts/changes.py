"""What may be otherwise in a model's files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, processors

from tests.layouts.models import Make, Tensors
from tests.native_checkpoints import change, write

PROMPTS = {"query": "query: ", "passage": "passage: "}
SENTENCE = "sentence_bert_config.json"
TOKENS = "tokenizer_config.json"
ST = "config_sentence_transformers.json"


def then(base: Callable[..., Path], *changes: Callable[[Path], object], **options: Any) -> Make:
    """A base model, then changed."""

    def make(folder: Path) -> None:
        base(folder, **options)
        for each in changes:
            each(folder)

    return make


def tensors(change_all: Callable[[Tensors], Tensors]) -> Callable[[Path], None]:
    """Other weights."""

    def apply(folder: Path) -> None:
        path = folder / "model.safetensors"
        save_file(change_all(load_file(path)), path)

    return apply


def under(prefix: str) -> Callable[[Path], None]:
    """Every tensor's name under a prefix."""
    return tensors(lambda found: {prefix + name: values for name, values in found.items()})


def old_names(found: Tensors, among: str = "") -> Tensors:
    """LayerNorms as TensorFlow named them; of tensors whose names begin so."""

    def old(name: str) -> str:
        return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")

    return {old(name) if name.startswith(among) else name: values for name, values in found.items()}


def with_head(prefix: str) -> Callable[[Path], None]:
    """As a …ForMaskedLM without pooler is stored."""

    def add(found: Tensors) -> Tensors:
        kept = {prefix + name: values for name, values in found.items() if "pooler" not in name}
        return kept | {"cls.predictions.bias": np.ones(7, "f4"), "lm_head.bias": np.ones(7, "f4")}

    return tensors(add)


def with_teacher(found: Tensors) -> Tensors:
    """A second encoder, which a search for an ending would find first."""
    own = {f"bert.{name}": values for name, values in found.items()}
    return own | {f"a_teacher.{name}": values * -1 for name, values in found.items()}


def in_shards(last: str) -> Callable[[Path], None]:
    """Two files and an index; tensors whose names contain `last` lie in the second."""

    def split(folder: Path) -> None:
        found = load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
        where = {name: names[last in name] for name in found}
        for file in names:
            save_file({name: found[name] for name in found if where[name] == file}, folder / file)
        write(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": where})

    return split


def in_file(name: str, **values: Any) -> Callable[[Path], None]:
    """Some values of a JSON file; ... removes one."""
    return lambda folder: change(folder / name, **values)


def renamed(old: str, new: str) -> Callable[[Path], None]:
    """A file under another name."""

    def rename(folder: Path) -> None:
        (folder / old).rename(folder / new)

    return rename


def removed(*names: str) -> Callable[[Path], None]:
    """Files or folders taken away."""

    def remove(folder: Path) -> None:
        for name in names:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return remove


def tokenizer_part(**parts: Any) -> Callable[[Path], None]:
    """Top-level parts of tokenizer.json."""
    return in_file("tokenizer.json", **parts)


def model_part(**parts: Any) -> Callable[[Path], None]:
    """Parts of tokenizer.json's model."""

    def apply(folder: Path) -> None:
        stored = json.loads((folder / "tokenizer.json").read_text())
        change(folder / "tokenizer.json", model=stored["model"] | parts)

    return apply


def with_normalizer(normalizer: Any) -> Callable[[Path], None]:
    """Another normalizer in tokenizer.json."""

    def apply(folder: Path) -> None:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.normalizer = normalizer
        tokenizer.save(str(folder / "tokenizer.json"))

    return apply


def with_pre_tokenizer(pre_tokenizer: Any) -> Callable[[Path], None]:
    """Another pre-tokenizer in tokenizer.json."""

    def apply(folder: Path) -> None:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.pre_tokenizer = pre_tokenizer
        tokenizer.save(str(folder / "tokenizer.json"))

    return apply


def with_type_ids(number: int) -> Callable[[Path], None]:
    """A post-processor that gives every token this type."""

    def apply(folder: Path) -> None:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"[CLS]:{number} $A:{number} [SEP]:{number}", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        tokenizer.save(str(folder / "tokenizer.json"))

    return apply


def elsewhere(name: str) -> Callable[[Path], None]:
    """A folder of the model as a link to another place."""

    def link(folder: Path) -> None:
        target = folder.parent / f"{folder.name}-elsewhere"
        (folder / name).rename(target)
        (folder / name).symlink_to(target, target_is_directory=True)

    return link


def nan_in(name: str) -> Callable[[Path], None]:
    """One number of a tensor spoilt."""

    def spoil(found: Tensors) -> Tensors:
        found[name].flat[5] = np.nan
        return found

    return tensors(spoil)
