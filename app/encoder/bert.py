"""BERT and its family: what config.json means, and which tensor of the files is which of the model's.

The rules are those of transformers 5 (`rename_source_key`, the "legacy" renamings, the defaults of each configuration
class): a file that it would read otherwise, or fill up with random numbers, is refused for every engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelRefusedError
from .weightfiles import Shape, WeightFile

DEFAULTS: dict[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "is_decoder": False,
}
SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)
WORDS = "embeddings.word_embeddings.weight"
LEGACY = (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias"))
NAMED_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class Family:
    """What differs between the architectures of the family."""

    prefix: str
    """What the tensors' names may begin with, where the file holds a larger model."""
    counts_from_padding: bool
    """Positions begin at the padding token's id + 1, as RoBERTa's."""
    defaults: Mapping[str, Any]


FAMILIES = {
    "bert": Family("bert", counts_from_padding=False, defaults={"pad_token_id": 0}),
    "roberta": Family("roberta", counts_from_padding=True, defaults={"pad_token_id": 1, "vocab_size": 50265}),
    "xlm-roberta": Family("roberta", counts_from_padding=True, defaults={"pad_token_id": 1}),
    "camembert": Family("roberta", counts_from_padding=True, defaults={"pad_token_id": 1}),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies."""

    file: WeightFile
    name: str
    """Its name in the file."""

    @property
    def shape(self) -> Shape:
        """Of the tensor there."""
        return self.file.shapes[self.name]


def is_one(config: Mapping[str, Any]) -> bool:
    """Whether config.json is that of a model of the family."""
    return config.get("model_type") in FAMILIES


def with_defaults(config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The configuration of a model of the family, with the defaults of its class.

    Raises ModelRefusedError if a value is none that the class takes; `path` is the file's, for the sentence.
    """
    family = FAMILIES[config["model_type"]]
    full = DEFAULTS | dict(family.defaults) | dict(config)
    is_sound = {
        "hidden_act": isinstance(full["hidden_act"], str),
        "layer_norm_eps": isinstance(full["layer_norm_eps"], int | float) and full["layer_norm_eps"] > 0,
        "is_decoder": isinstance(full["is_decoder"], bool),
        "pad_token_id": type(full["pad_token_id"]) is int or not family.counts_from_padding,
    }
    for name, sound in is_sound.items():
        if not sound:
            raise ModelRefusedError(f"{path}: {name} is {full[name]!r}")
    for name in SIZES:
        value = full[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ModelRefusedError(f"{path}: {name} is {value!r}, no positive integer")
    return full


def positions(config: Mapping[str, Any]) -> int:
    """Tokens of a text that the position table carries."""
    pad = config["pad_token_id"]
    taken = pad + 1 if FAMILIES[config["model_type"]].counts_from_padding and isinstance(pad, int) else 0
    return int(config["max_position_embeddings"]) - taken


def place(config: Mapping[str, Any], files: Sequence[WeightFile], directory: Path) -> dict[str, Place]:
    """Each tensor of the encoder, by the name that transformers' BertModel gives it, and where it lies.

    Raises ModelRefusedError if one is missing, there twice, or of another shape than config.json promises.
    """
    promised = _promised(config)
    prefix = FAMILIES[config["model_type"]].prefix
    found: dict[str, Place] = {}
    for file in files:
        for name in file.shapes:
            own = _own_name(name, prefix, promised)
            if own in promised:
                if own in found:
                    raise ModelRefusedError(f"{directory}: {own} is there twice, as {found[own].name} and as {name}")
                found[own] = Place(file, name)
    _check_all_there(promised, found, [name for file in files for name in file.shapes], directory)
    for own, shape in promised.items():
        if found[own].shape != shape:
            held = _times(found[own].shape)
            raise ModelRefusedError(
                f"{directory}: config.json promises {own} as {_times(shape)}, the file holds {held}"
            )
    return found


def _own_name(name: str, prefix: str, promised: Mapping[str, Shape]) -> str:
    """As transformers renames what it finds in a file."""
    for old, new in LEGACY:
        name = name.replace(old, new)
    without = re.sub(f"^{prefix}.", "", name, count=1)
    return without if without in promised else name


def _check_all_there(
    promised: Mapping[str, Shape], found: Mapping[str, Place], held: Iterable[str], directory: Path
) -> None:
    missing = [name for name in promised if name not in found]
    if not missing:
        return
    elsewhere = next((name for name in held if name.endswith(missing[0])), "")
    hint = f"; the file has it as {elsewhere}, where transformers does not look for it" if elsewhere else ""
    named = ", ".join(missing[:NAMED_AT_MOST])
    more = f" and {len(missing) - NAMED_AT_MOST} more" if len(missing) > NAMED_AT_MOST else ""
    raise ModelRefusedError(f"{directory}: config.json promises {named}{more}, which no weight file holds{hint}")


def _promised(config: Mapping[str, Any]) -> dict[str, Shape]:
    """The tensors of a BERT encoder, as transformers' BertModel names them; without its pooler, which nothing uses."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    shapes: dict[str, Shape] = {
        WORDS: (config["vocab_size"], hidden),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], hidden),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    }
    linear = {
        "attention.self.query": (hidden, hidden),
        "attention.self.key": (hidden, hidden),
        "attention.self.value": (hidden, hidden),
        "attention.output.dense": (hidden, hidden),
        "intermediate.dense": (inner, hidden),
        "output.dense": (hidden, inner),
    }
    for layer in range(config["num_hidden_layers"]):
        for name, (rows, columns) in linear.items():
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (rows, columns)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (rows,)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (hidden,)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (hidden,)
    return shapes


def _times(shape: Shape) -> str:
    return " × ".join(str(side) for side in shape) or "a scalar"
