"""What a model's own sentence-transformers files say: modules, pooling, normalisation, longest text, prompts.

Read without torch, so that the fleet can check, describe and fingerprint a model before anything is loaded.
The files' meaning is that of sentence-transformers (modules.json, sentence_bert_config.json, 1_Pooling/config.json,
config_sentence_transformers.json).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import ModelRefusedError

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
    """One step from tokens to vector: its class name without the path, its folder, its configuration."""

    kind: str
    directory: Path
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model turns a text into a vector, in the order of its modules."""

    modules: tuple[Module, ...]
    config: dict[str, Any]
    pooling: tuple[str, ...]
    normalize: bool
    max_tokens: int
    """Longest text in tokens, special tokens included; 0: the files set no limit."""
    lower_case: bool
    prompts: dict[str, str]
    default_prompt: str

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
    prompts = _read_object(directory / "config_sentence_transformers.json", optional=True)
    sentence = _read_object(transformer / "sentence_bert_config.json", optional=True)
    config = _read_object(transformer / "config.json", optional=modules[0].kind != "Transformer")
    named = prompts.get("prompts") or {}
    return Recipe(
        modules=modules,
        config=config,
        pooling=_pooling(pooling, directory),
        normalize=modules[-1].kind == "Normalize",
        max_tokens=_max_tokens(sentence, config, transformer),
        lower_case=bool(sentence.get("do_lower_case", False)),
        prompts={str(name): str(text) for name, text in named.items()},
        default_prompt=str(named.get(prompts.get("default_prompt_name") or "", "")),
    )


def _modules(directory: Path) -> list[Module]:
    listed = _read_json(directory / "modules.json", optional=True)
    if listed is None:  # a bare transformers checkpoint: sentence-transformers then pools the mean
        return [
            Module("Transformer", directory, {}),
            Module("Pooling", directory, {"pooling_mode_mean_tokens": True}),
        ]
    if not isinstance(listed, list) or not listed or not all(isinstance(entry, dict) for entry in listed):
        raise ModelRefusedError(f"{directory / 'modules.json'}: expected a list of modules")
    return [_module(directory, entry) for entry in sorted(listed, key=lambda entry: int(entry.get("idx", 0)))]


def _module(directory: Path, entry: dict[str, Any]) -> Module:
    kind = str(entry.get("type", ""))
    if not kind.startswith("sentence_transformers."):
        raise ModelRefusedError(
            f"{directory / 'modules.json'}: module {kind!r} is code of the model's own, which is not run"
        )
    folder = (directory / str(entry.get("path", ""))).resolve()
    if not folder.is_relative_to(directory.resolve()):
        raise ModelRefusedError(f"{directory / 'modules.json'}: path {entry.get('path')!r} leads out of the model")
    return Module(kind.rpartition(".")[2], folder, _read_object(folder / "config.json", optional=True))


def _pooling(config: dict[str, Any] | None, directory: Path) -> tuple[str, ...]:
    """The pooling modes, in the order in which their vectors are concatenated; empty without a Pooling module."""
    if config is None:
        return ()
    named = config.get("pooling_mode")
    if named is not None:
        modes = (named,) if isinstance(named, str) else tuple(named)
    else:
        modes = tuple(mode for flag, mode in POOLING_FLAGS.items() if config.get(flag)) or ("mean",)
    unknown = [mode for mode in modes if mode not in POOLING_FLAGS.values()]
    if unknown:
        raise ModelRefusedError(f"{directory}: pooling {unknown[0]!r} is not known")
    return modes


def _max_tokens(sentence: dict[str, Any], config: dict[str, Any], transformer: Path) -> int:
    """The least of what the three files say; a tokenizer that means "no limit" writes 1e30."""
    tokenizer = _read_object(transformer / "tokenizer_config.json", optional=True)
    limits = [sentence.get("max_seq_length")]
    if limits[0] is None:
        limits = [config.get("max_position_embeddings"), tokenizer.get("model_max_length")]
    stated = [int(limit) for limit in limits if isinstance(limit, int | float) and 0 < limit < 10**9]
    return min(stated, default=0)


def _read_object(path: Path, *, optional: bool = False) -> dict[str, Any]:
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
