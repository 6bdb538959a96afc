"""Descriptions without the reference: of those forms of a model's files that are known to come out the same there.

Each form is a function and has a test beside the reference. What is not sure to be one is refused: where files may say
two things, only transformers can tell which one holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from app.encoder import bert
from app.encoder.checkpoint import Checkpoint
from app.encoder.description import Description, canonical, check_vocabulary, sha256_of
from app.encoder.recipe import read_object
from app.errors import ModelRefusedError

HOW = "`pip install sentence-transformers` brings it"
SPECIAL = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
# Keys of tokenizer_config.json whose value is known to do nothing; those of the BertNormalizer are looked at beside it.
IDLE = frozenset(
    {"name_or_path", "do_basic_tokenize", "model_max_length", "never_split", "tokenizer_class", "tokenizer_file"}
    | {"special_tokens_map_file", "clean_up_tokenization_spaces", "do_lower_case", "strip_accents"}
    | {"tokenize_chinese_chars", "padding_side", "max_length", "stride", "truncation_strategy", "pad_to_multiple_of"}
    | {"pad_token_type_id", "backend", "is_local", "local_files_only"}
)
USUAL: dict[str, Any] = {
    **SPECIAL,
    "truncation_side": "right",
    "additional_special_tokens": [],
    "extra_special_tokens": {},
    "split_special_tokens": False,
    "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
}
CLASSES = (None, "BertTokenizer", "BertTokenizerFast")


class _NotSureError(Exception):
    """Why a model's files are no known form."""


def describe(checkpoint: Checkpoint) -> Description:
    """What the reference would say of a model of a known form, without vectors. Raises ModelRefusedError for others."""
    try:
        return _word_piece(checkpoint)
    except _NotSureError as error:
        raise ModelRefusedError(
            f"{checkpoint.directory}: {error}, and what that does only sentence-transformers can tell; {HOW}"
        ) from None


def _word_piece(checkpoint: Checkpoint) -> Description:
    """BERT's own tokenizer, all of it in tokenizer.json, which tokenizer_config.json does not contradict."""
    recipe, folder = checkpoint.recipe, checkpoint.recipe.modules[0].directory
    if recipe.model_type != "bert" or recipe.modules[0].kind != "Transformer":
        raise _NotSureError(f"its architecture is {recipe.model_type!r}")
    config = read_object(folder / "tokenizer_config.json", optional=True)
    _check_config(config)
    _check_added(read_object(folder / "special_tokens_map.json", optional=True))
    tokenizer = _read(folder / "tokenizer.json")
    _check_tokenizer(tokenizer, config)
    check_vocabulary(tokenizer, recipe.config["vocab_size"], folder)
    _check_known(recipe.sentence, {"max_seq_length": None, "do_lower_case": False}, "sentence_bert_config.json")
    prompts, default_prompt = _prompts(checkpoint.directory)
    positions = bert.positions(recipe.config)
    return Description(
        made_with="",
        tokenizer="",
        tokenizer_sha256=sha256_of(tokenizer),
        own_limit=_own_limit(recipe.sentence, config, recipe.config),
        positions=positions,
        prompts=prompts,
        default_prompt=default_prompt,
        modules=tuple(module.kind for module in recipe.modules),
        pooling=recipe.pooling,
    )


def _read(path: Path) -> Tokenizer:
    if not path.is_file():
        raise _NotSureError("it has no tokenizer.json")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - the tokenizers library raises plain Exception
        raise ModelRefusedError(f"{path}: is no tokenizer: {error}") from None


def _check_config(config: Mapping[str, Any]) -> None:
    if config.get("tokenizer_class") not in CLASSES:
        raise _NotSureError(f"its tokenizer is of class {config['tokenizer_class']!r}")
    _check_known({name: value for name, value in config.items() if name not in IDLE}, USUAL, "tokenizer_config.json")


def _check_known(found: Mapping[str, Any], usual: Mapping[str, Any], file: str) -> None:
    """Every key is a known one with its usual value; None: with any."""
    for name, value in found.items():
        if name == "added_tokens_decoder":
            _check_added({key: token.get("content") for key, token in value.items()})
        elif name not in usual or not (usual[name] is None or _plain(value) == usual[name] or value in ([], {})):
            raise _NotSureError(f"{file} has {name}")


def _plain(value: Any) -> Any:
    """A token is stored as its text, or as an object around it."""
    return value.get("content") if isinstance(value, dict) and "content" in value else value


def _check_added(named: Mapping[str, Any]) -> None:
    odd = [value for value in map(_plain, named.values()) if value not in SPECIAL.values()]
    if odd:
        raise _NotSureError(f"it has added tokens ({odd[0]!r})")


def _check_tokenizer(tokenizer: Tokenizer, config: Mapping[str, Any]) -> None:
    """transformers builds a BertTokenizer anew, of the vocabulary and tokenizer_config.json: it must come out equal."""
    stored = json.loads(canonical(tokenizer))
    built = json.loads(canonical(_built(tokenizer.get_vocab(with_added_tokens=False), config)))
    odd = [name for name in built if stored.get(name) != built[name]]
    if odd:
        raise _NotSureError(f"its tokenizer.json has a {odd[0]} that is not what tokenizer_config.json says")


def _built(vocabulary: dict[str, int], config: Mapping[str, Any]) -> Tokenizer:
    """As transformers' BertTokenizer does it."""
    missing = [token for token in SPECIAL.values() if token not in vocabulary]
    if missing:
        raise _NotSureError(f"its vocabulary has no {missing[0]}")
    built = Tokenizer(WordPiece(vocabulary, unk_token=SPECIAL["unk_token"]))
    built.normalizer = BertNormalizer(
        clean_text=True,
        handle_chinese_chars=config.get("tokenize_chinese_chars", True),
        strip_accents=config.get("strip_accents"),
        lowercase=config.get("do_lower_case", True),
    )
    built.pre_tokenizer = BertPreTokenizer()
    cls, sep = SPECIAL["cls_token"], SPECIAL["sep_token"]
    built.post_processor = TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(cls, vocabulary[cls]), (sep, vocabulary[sep])],
    )
    built.add_special_tokens(list(SPECIAL.values()))
    return built


def _prompts(directory: Path) -> tuple[dict[str, str], str]:
    stated = read_object(directory / "config_sentence_transformers.json", optional=True)
    if stated.get("model_type", "SentenceTransformer") != "SentenceTransformer":
        raise _NotSureError(f"it is a {stated['model_type']}")
    prompts = stated.get("prompts") or {}
    if not isinstance(prompts, dict):
        raise _NotSureError("its prompts are no object")
    named = {str(name): text for name, text in prompts.items() if text}
    default = stated.get("default_prompt_name")
    if default is not None and default not in {*prompts, "query", "document"}:
        raise ModelRefusedError(f"{directory}: its default prompt is {default!r}, but there is none of that name")
    return named, named.get(default or "", "")


def _own_limit(sentence: Mapping[str, Any], tokenizer: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    """As sentence-transformers: its own file, else the lesser of the tokenizer's and the positions."""
    stated = sentence.get("max_seq_length")
    limits = [stated] if stated is not None else [tokenizer.get("model_max_length"), config["max_position_embeddings"]]
    return int(min((limit for limit in limits if isinstance(limit, int | float) and 0 < limit < 10**9), default=0))
