"""What a model's own files say of its modules: which, in what order, their configuration, pooling, normalisation.

Read without torch, so that the fleet can check a model before anything is loaded. The files' meaning is that of
sentence-transformers 6 (modules.json, sentence_bert_config.json and its sisters, 1_Pooling/config.json). What they say
of texts (tokenizer, limit, prompts) is asked of sentence-transformers itself: description.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelRefusedError
from . import bert

# sentence-transformers modules that have weights of their own, beside the Transformer.
WEIGHTED = ("Dense", "LayerNorm", "StaticEmbedding", "WordEmbeddings", "CNN", "LSTM", "WeightedLayerPooling")
WEIGHTLESS = ("Pooling", "Normalize", "Dropout", "WordWeights", "BoW")
SENTENCE_FILES = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
"""The first of these that has content is a Transformer module's own configuration."""
POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, slots=True)
class Module:
    """One step from tokens to vector."""

    kind: str
    """Its class, without the path."""
    directory: Path
    config: dict[str, Any]
    class_path: str = ""
    """As modules.json has it; "" if there is none."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model turns a text into a vector, in the order of its modules."""

    modules: tuple[Module, ...]
    config: dict[str, Any]
    """config.json, in BERT's family with the defaults of its class."""
    sentence: dict[str, Any]
    """sentence_bert_config.json, or that sister of it which is read."""
    pooling: tuple[str, ...]
    normalize: bool

    @property
    def weighted(self) -> list[Path]:
        """The folders of the modules that must have weights, in their order; the first module always has."""
        return [module.directory for place, module in enumerate(self.modules) if place == 0 or module.kind in WEIGHTED]

    @property
    def perhaps_weighted(self) -> list[Path]:
        """The folders of modules that may have weights, there or below."""
        known = (*WEIGHTED, *WEIGHTLESS)
        return [module.directory for module in self.modules[1:] if module.kind not in known]

    @property
    def model_type(self) -> str:
        """The architecture's name as config.json has it, such as "bert"."""
        return str(self.config.get("model_type", "unknown"))


def read(directory: Path) -> Recipe:
    """Read a model's recipe. Raises ModelRefusedError if a file is missing, torn, or names code of the model's own."""
    try:
        return _read(directory)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise ModelRefusedError(f"{directory}: its JSON files are not of the form expected: {error}") from None


def _read(directory: Path) -> Recipe:
    modules = tuple(_modules(directory))
    transformer = modules[0].directory
    pooling = next((module.config for module in modules if module.kind == "Pooling"), None)
    sentence = _sentence(transformer) if (directory / "modules.json").is_file() else {}
    path = transformer / "config.json"
    config = read_object(path, optional=modules[0].kind != "Transformer") | _overrides(sentence)
    return Recipe(
        modules=modules,
        config=bert.with_defaults(config, path) if bert.is_one(config) else config,
        sentence=sentence,
        pooling=_pooling(pooling, directory),
        normalize=modules[-1].kind == "Normalize",
    )


def _sentence(transformer: Path) -> dict[str, Any]:
    read = (read_object(transformer / name, optional=True) for name in SENTENCE_FILES)
    return next((found for found in read if found), {})


def _overrides(sentence: dict[str, Any]) -> dict[str, Any]:
    """What sentence-transformers hands to AutoConfig beside the file."""
    return dict(sentence.get("config_args", sentence.get("config_kwargs")) or {})


def _modules(directory: Path) -> list[Module]:
    listed = _read_json(directory / "modules.json", optional=True)
    if listed is None:  # a bare transformers checkpoint: sentence-transformers then pools the mean
        return [
            Module("Transformer", directory, {}),
            Module("Pooling", directory, {"pooling_mode_mean_tokens": True}),
        ]
    if not isinstance(listed, list) or not listed or not all(isinstance(entry, dict) for entry in listed):
        raise ModelRefusedError(f"{directory / 'modules.json'}: expected a list of modules")
    names = [str(entry.get("name", "")) for entry in listed]
    if "" in names or len(set(names)) < len(names):
        raise ModelRefusedError(f"{directory / 'modules.json'}: expected a name of its own for each module")
    return [_module(directory, entry) for entry in listed]


def _module(directory: Path, entry: dict[str, Any]) -> Module:
    kind = str(entry.get("type", ""))
    if not kind.startswith("sentence_transformers."):
        raise ModelRefusedError(
            f"{directory / 'modules.json'}: module {kind!r} is code of the model's own, which is not run"
        )
    path = Path(str(entry.get("path", "")))
    if path.is_absolute() or ".." in path.parts:
        raise ModelRefusedError(f"{directory / 'modules.json'}: path {entry.get('path')!r} leads out of the model")
    folder = directory / path
    return Module(kind.rpartition(".")[2], folder, read_object(folder / "config.json", optional=True), kind)


def _pooling(config: dict[str, Any] | None, directory: Path) -> tuple[str, ...]:
    """The pooling modes, in the order in which their vectors are concatenated; empty without a Pooling module."""
    if config is None:
        return ()
    named = config.get("pooling_mode")
    if named is not None:
        modes = (named,) if isinstance(named, str) else tuple(named)
    else:
        modes = tuple(mode for flag, mode in POOLING_FLAGS.items() if config.get(flag)) or ("mean",)
    if not modes:
        raise ModelRefusedError(f"{directory}: its pooling is an empty list")
    unknown = [mode for mode in modes if mode not in POOLING_FLAGS.values()]
    if unknown:
        raise ModelRefusedError(f"{directory}: pooling {unknown[0]!r} is not known")
    return modes


def read_object(path: Path, *, optional: bool = False) -> dict[str, Any]:
    """A JSON object; {} where it is optional and not there. Raises ModelRefusedError."""
    found = _read_json(path, optional=optional)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ModelRefusedError(f"{path}: expected a JSON object")
    return found


def _read_json(path: Path, *, optional: bool) -> Any:
    if optional and not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelRefusedError(f"{path.parent}: {path.name} is missing, so this is no model") from None
    except (OSError, ValueError) as error:
        raise ModelRefusedError(f"{path}: cannot be read: {error}") from None
