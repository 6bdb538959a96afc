"""Descriptions without the reference: of those forms of a model's files that are known to come out the same there.

There is one form so far, BERT's own: a WordPiece tokenizer, a Pooling, perhaps a Normalize. Each file must be one of
known_files.py: where files may say two things, only sentence-transformers can tell which one holds. A test holds
each form against it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from ..errors import ModelRefusedError
from ..version import WHOLE
from . import bert
from .checkpoint import Checkpoint
from .description import Description, canonical, check_vocabulary, sha256_of
from .known_files import (
    USUAL,
    Config,
    ModelConfig,
    PoolingConfig,
    SentenceConfig,
    SpecialTokens,
    Token,
    TokenizerConfig,
)
from .recipe import read_object

HOW = f"{WHOLE} brings it"
# Files that say more of a tokenizer or a model, in ways that are not followed here.
OTHERS = (
    *("added_tokens.json", "adapter_config.json", "processor_config.json", "preprocessor_config.json"),
    *("chat_template.json", "chat_template.jinja"),
)
CLASSES = {f"sentence_transformers.models.{kind}" for kind in ("Transformer", "Pooling", "Normalize")} | {""}
File = TypeVar("File", bound=msgspec.Struct)


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
    recipe, folder = checkpoint.recipe, checkpoint.recipe.modules[0].directory
    config = _known(recipe.config, Config, "config.json")
    _check_modules(checkpoint)
    if config.is_decoder:
        raise _NotSureError("it is a decoder")
    if not 0 <= config.pad_token_id < config.vocab_size:
        raise _NotSureError(f"config.json has pad_token_id {config.pad_token_id}")
    sentence = _known(recipe.sentence, SentenceConfig, "sentence_bert_config.json")
    if sentence.do_lower_case:
        raise _NotSureError("sentence_bert_config.json has do_lower_case")
    stated = _stated(folder)
    tokenizer = _tokenizer(folder, stated)
    check_vocabulary(tokenizer, config.vocab_size, folder)
    prompts, default_prompt = _prompts(checkpoint.directory)
    own_limit = sentence.max_seq_length or min(stated.model_max_length, config.max_position_embeddings)
    return Description(
        made_with="",
        tokenizer="",
        tokenizer_sha256=sha256_of(tokenizer),
        own_limit=int(own_limit),
        positions=bert.positions(recipe.config),
        prompts=prompts,
        default_prompt=default_prompt,
        modules=tuple(module.kind for module in recipe.modules),
        pooling=recipe.pooling,
    )


def _read(folder: Path, file: str, kind: type[File]) -> File:
    return _known(read_object(folder / file, optional=True), kind, file)


def _known(content: Any, kind: type[File], file: str) -> File:
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise _NotSureError(f"{file}: {error}") from None


def _check_modules(checkpoint: Checkpoint) -> None:
    recipe, folder = checkpoint.recipe, checkpoint.recipe.modules[0].directory
    odd = [module.class_path for module in recipe.modules if module.class_path not in CLASSES]
    if odd or [module.kind for module in recipe.modules[:2]] != ["Transformer", "Pooling"]:
        raise _NotSureError(f"its modules are {', '.join(odd or [module.kind for module in recipe.modules])}")
    found = [name for name in OTHERS if (folder / name).exists() or (checkpoint.directory / name).exists()]
    if found:
        raise _NotSureError(f"it has {found[0]}")
    if recipe.modules[1].class_path:  # one that is not there is made by sentence-transformers, and by us
        pooling = _known(recipe.modules[1].config, PoolingConfig, "the Pooling module's config.json")
        if {pooling.word_embedding_dimension, pooling.embedding_dimension} != {None, recipe.config["hidden_size"]}:
            raise _NotSureError("its Pooling module is of another width")


def _stated(folder: Path) -> TokenizerConfig:
    """tokenizer_config.json, if nothing in it or beside it makes another token special."""
    stated = _read(folder, "tokenizer_config.json", TokenizerConfig)
    beside = _read(folder, "special_tokens_map.json", SpecialTokens)
    for name, token in USUAL.items():
        if not {getattr(stated, name), getattr(beside, name)} <= {token, Token(token)}:
            raise _NotSureError(f"its {name} is another one")
    usual = {Token(token) for token in USUAL.values()}
    added = [token for token in stated.added_tokens_decoder.values() if token not in usual]
    if added or stated.model_input_names != ("input_ids", "token_type_ids", "attention_mask"):
        raise _NotSureError(f"tokenizer_config.json adds {added[0].content if added else 'model_input_names'}")
    return stated


def _tokenizer(folder: Path, stated: TokenizerConfig) -> Tokenizer:
    """That of tokenizer.json: transformers builds it anew, of its vocabulary, and it must come out equal."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise _NotSureError("it has no tokenizer.json")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - the tokenizers library raises plain Exception
        raise ModelRefusedError(f"{path}: is no tokenizer: {error}") from None
    own = json.loads(canonical(tokenizer))
    built = json.loads(canonical(_built(tokenizer.get_vocab(with_added_tokens=False), stated)))
    odd = [name for name in built if own.get(name) != built[name]]
    if odd:
        raise _NotSureError(f"its tokenizer.json has a {odd[0]} that is not what tokenizer_config.json says")
    return tokenizer


def _built(vocabulary: dict[str, int], stated: TokenizerConfig) -> Tokenizer:
    """As transformers' BertTokenizer does it."""
    missing = [token for token in USUAL.values() if token not in vocabulary]
    if missing:
        raise _NotSureError(f"its vocabulary has no {missing[0]}")
    cls, sep = USUAL["cls_token"], USUAL["sep_token"]
    built = Tokenizer(WordPiece(vocabulary, unk_token=USUAL["unk_token"]))
    built.normalizer = BertNormalizer(
        clean_text=True,
        handle_chinese_chars=stated.tokenize_chinese_chars,
        strip_accents=stated.strip_accents,
        lowercase=stated.do_lower_case,
    )
    built.pre_tokenizer = BertPreTokenizer()
    built.post_processor = TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(cls, vocabulary[cls]), (sep, vocabulary[sep])],
    )
    built.add_special_tokens(list(USUAL.values()))
    return built


def _prompts(directory: Path) -> tuple[dict[str, str], str]:
    """The prompts that are named, and the default one."""
    file = "config_sentence_transformers.json"
    stated = _read(directory, file, ModelConfig)
    default = stated.default_prompt_name
    if default is not None and default not in {*stated.prompts, "query", "document"}:
        raise ModelRefusedError(f"{directory}: its default prompt is {default!r}, but there is none of that name")
    named = {name: text or "" for name, text in stated.prompts.items()}
    return named, "" if default is None else named.get(default, "")
