"""The layouts that are tested, and what must come of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from tokenizers import normalizers, pre_tokenizers

from tests.layouts.changes import (
    PROMPTS,
    SENTENCE,
    ST,
    TOKENS,
    elsewhere,
    in_file,
    in_shards,
    model_part,
    nan_in,
    old_names,
    removed,
    renamed,
    tensors,
    then,
    tokenizer_part,
    under,
    with_head,
    with_normalizer,
    with_pre_tokenizer,
    with_teacher,
    with_type_ids,
)
from tests.layouts.models import (
    SMALL,
    Make,
    bert,
    of,
    roberta,
    xlm_roberta,
)
from tests.native_checkpoints import write


@dataclass(frozen=True)
class Layout:
    """How the folder is made, and what must come of it."""

    make: Make
    engine: str = "native"
    """Which engine `auto` takes; "": none, the model is refused."""
    refusal: str = ""
    """Part of the sentence."""


BIAS = "encoder.layer.0.output.dense.bias"
T, R = "sentence-transformers", ""
ALBERT = {"embedding_size": 16, "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128}
DISTIL = {"dim": 64, "hidden_dim": 128, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 64}
CUT_AT_8 = {"max_length": 8, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
PADDED_TO_8 = {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0}
PADDED_TO_8 |= {"pad_type_id": 0, "pad_token": "[PAD]"}
MODERN = {**SMALL, "max_position_embeddings": 64, "cls_token_id": 2, "sep_token_id": 3}


def modules_reversed(folder: Path) -> None:
    """In the file's order, whatever idx says."""
    listed = [
        {"idx": 9 - place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for place, (kind, path) in enumerate((("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_N")))
    ]
    write(folder / "modules.json", listed)


def vocabulary_alone(folder: Path) -> None:
    """vocab.txt instead of tokenizer.json."""
    stored = json.loads((folder / "tokenizer.json").read_text())
    (folder / "vocab.txt").write_text("\n".join(stored["model"]["vocab"]))
    (folder / "tokenizer.json").unlink()


LAYOUTS: dict[str, Layout] = {
    # which tensor is which
    "bert": Layout(bert),
    "roberta": Layout(roberta),
    "xlm-roberta": Layout(xlm_roberta),
    "bert. and gamma, beta": Layout(then(bert, tensors(old_names), with_head("bert."))),
    "roberta. and gamma, beta": Layout(then(roberta, tensors(old_names), with_head("roberta."))),
    "gamma and beta in the embeddings alone": Layout(then(bert, tensors(partial(old_names, among="embeddings.")))),
    "xlm-r under roberta.": Layout(then(xlm_roberta, under("roberta."))),
    "bert under model.": Layout(then(bert, under("model.")), R, "where transformers does not look"),
    "bert under encoder.": Layout(then(bert, under("encoder.")), R, "where transformers does not look"),
    "bert under auto_model.": Layout(then(bert, under("auto_model.")), R, "where transformers does not look"),
    "bert under module.bert.": Layout(then(bert, under("module.bert.")), R, "where transformers does not look"),
    "roberta under bert.": Layout(then(roberta, under("bert.")), R, "where transformers does not look"),
    "xlm-r under xlm_roberta.": Layout(then(xlm_roberta, under("xlm_roberta.")), R, "where transformers does not look"),
    "a teacher beside it": Layout(then(bert, tensors(with_teacher))),
    "two shards": Layout(then(bert, under("bert."), in_shards("word_embeddings"))),
    "two shards, the layers in the second": Layout(then(bert, in_shards("layer.1"))),
    "a tensor twice": Layout(
        then(bert, tensors(lambda found: found | {f"bert.{BIAS}": np.ones(64, "f4")})),
        R,
        "is there twice",
    ),
    "without a pooler": Layout(
        then(bert, tensors(lambda found: {n: v for n, v in found.items() if "pooler" not in n}))
    ),
    "a tensor missing": Layout(
        then(bert, tensors(lambda found: {n: v for n, v in found.items() if "layer.1.output.dense.bias" not in n})),
        R,
        "promises encoder.layer.1.output.dense.bias, which no weight file holds",
    ),
    "a tensor of another size": Layout(
        then(bert, in_file("config.json", intermediate_size=192)), R, "the file holds 128 × 64"
    ),
    "in float16": Layout(then(bert, tensors(lambda found: {n: v.astype("f2") for n, v in found.items()}))),
    "nan in a weight": Layout(
        then(bert, nan_in("encoder.layer.0.output.dense.weight")),
        R,
        "model.safetensors: its weights are not finite numbers (in e",
    ),
    "nan in a word that no text has": Layout(
        then(bert, nan_in("embeddings.word_embeddings.weight")),
        R,
        "model.safetensors: its weights are not finite numbers (in e",
    ),
    "a needed tensor as whole numbers": Layout(then(bert, tensors(lambda found: found | {BIAS: np.ones(64, "i8")})), T),
    "all in int8": Layout(then(bert, tensors(lambda found: {n: v.astype("i1") for n, v in found.items()})), T),
    "a head that the file has not": Layout(
        then(bert, in_file(SENTENCE, transformer_task="fill-mask")), R, "the architecture needs cls.predictions"
    ),
    # config.json
    "without type_vocab_size": Layout(then(bert, in_file("config.json", type_vocab_size=...))),
    "without positions": Layout(
        then(bert, in_file("config.json", max_position_embeddings=...), max_position_embeddings=512)
    ),
    "without activation, eps, padding": Layout(
        then(bert, in_file("config.json", hidden_act=..., layer_norm_eps=..., pad_token_id=...))
    ),
    "a config of its own for the class": Layout(then(bert, in_file(SENTENCE, config_args={"hidden_act": "relu"}))),
    "a decoder": Layout(then(bert, in_file("config.json", is_decoder=True)), T),
    "an activation that the kernel has not": Layout(then(bert, hidden_act="silu"), T),
    # limits
    "sentence_roberta_config.json": Layout(then(roberta, renamed(SENTENCE, "sentence_roberta_config.json"))),
    "sentence_xlm-roberta_config.json": Layout(
        then(xlm_roberta, renamed(SENTENCE, "sentence_xlm-roberta_config.json"))
    ),
    "sentence_distilbert_config.json": Layout(then(bert, renamed(SENTENCE, "sentence_distilbert_config.json"))),
    "sentence_camembert_config.json": Layout(then(bert, renamed(SENTENCE, "sentence_camembert_config.json"))),
    "sentence_albert_config.json": Layout(then(bert, renamed(SENTENCE, "sentence_albert_config.json"))),
    "sentence_xlnet_config.json": Layout(then(bert, renamed(SENTENCE, "sentence_xlnet_config.json"))),
    "an empty sentence_bert_config.json before its sister": Layout(
        then(bert, renamed(SENTENCE, "sentence_roberta_config.json"), lambda folder: write(folder / SENTENCE, {}))
    ),
    "cut on the left": Layout(then(bert, in_file(TOKENS, truncation_side="left"))),
    "max_len": Layout(then(bert, removed(SENTENCE), in_file(TOKENS, model_max_length=..., max_len=16))),
    "tokenizer_args": Layout(
        then(bert, in_file(SENTENCE, max_seq_length=..., tokenizer_args={"model_max_length": 16}))
    ),
    "processor_kwargs": Layout(then(bert, in_file(SENTENCE, processor_kwargs={"model_max_length": 16}))),
    "a limit for each call": Layout(then(bert, in_file(SENTENCE, processing_kwargs={"text": {"max_length": 16}}))),
    "positions fewer than the limit": Layout(then(bert, in_file(SENTENCE, max_seq_length=128))),
    "roberta's positions as its limit": Layout(then(roberta, in_file(SENTENCE, max_seq_length=66))),
    "no limit in any file": Layout(then(roberta, removed(SENTENCE), in_file(TOKENS, model_max_length=...))),
    "a limit of 1e30": Layout(then(bert, removed(SENTENCE), in_file(TOKENS, model_max_length=10**30))),
    "mpnet's positions as its limit": Layout(
        then(of(transformers.MPNetConfig, max_position_embeddings=66, **SMALL), in_file(SENTENCE, max_seq_length=66)), T
    ),
    "stray files without modules.json": Layout(then(bert, removed("modules.json"))),
    # modules and prompts
    "modules in the file's order": Layout(then(bert, modules_reversed)),
    "a folder that is a link": Layout(then(bert, elsewhere("1_Pooling"))),
    "a default prompt of null": Layout(
        then(bert, lambda folder: write(folder / ST, {"prompts": {"query": None}, "default_prompt_name": "query"}))
    ),
    "a default prompt": Layout(
        then(bert, lambda folder: write(folder / ST, {"prompts": PROMPTS, "default_prompt_name": "query"}))
    ),
    "a default prompt whose name is empty": Layout(
        then(bert, lambda folder: write(folder / ST, {"prompts": {"": "Hello "}, "default_prompt_name": ""}))
    ),
    "vectors that are cut": Layout(then(bert, lambda folder: write(folder / ST, {"truncate_dim": 16}))),
    "a default prompt without a name": Layout(
        then(bert, lambda folder: write(folder / ST, {"prompts": PROMPTS, "default_prompt_name": "other"})),
        R,
        "Default prompt name 'other' not found",
    ),
    "prompts that are a list": Layout(
        then(bert, lambda folder: write(folder / ST, {"prompts": ["query: "]})),
        R,
        "sentence-transformers cannot load it",
    ),
    "a prompt left out of the pooling": Layout(
        then(
            bert,
            lambda folder: write(folder / ST, {"prompts": PROMPTS, "default_prompt_name": "query"}),
            in_file("1_Pooling/config.json", include_prompt=False),
        ),
        T,
    ),
    # the tokenizer
    "add_prefix_space in tokenizer_config.json alone": Layout(then(roberta, in_file(TOKENS, add_prefix_space=True))),
    "add_prefix_space in tokenizer.json alone": Layout(
        then(roberta, with_pre_tokenizer(pre_tokenizers.ByteLevel(add_prefix_space=True)))
    ),
    "xlm-r with Metaspace alone": Layout(
        then(
            xlm_roberta, with_pre_tokenizer(pre_tokenizers.Metaspace()), with_normalizer(normalizers.Replace("  ", " "))
        )
    ),
    "a normalizer in a Sequence": Layout(
        then(bert, with_normalizer(normalizers.Sequence([normalizers.BertNormalizer(lowercase=False)])))
    ),
    "a normalizer of null": Layout(then(bert, tokenizer_part(normalizer=None))),
    "another pre_tokenizer": Layout(then(bert, with_pre_tokenizer(pre_tokenizers.WhitespaceSplit()))),
    "a post_processor of null": Layout(then(bert, tokenizer_part(post_processor=None))),
    "type ids of 1": Layout(then(bert, with_type_ids(1))),
    "a tokenizer that is taken as it lies": Layout(
        then(
            bert,
            in_file(TOKENS, tokenizer_class="PreTrainedTokenizerFast"),
            with_normalizer(normalizers.Sequence([normalizers.NFC(), normalizers.StripAccents()])),
            with_type_ids(1),
        )
    ),
    "cased, says tokenizer_config.json": Layout(then(bert, in_file(TOKENS, do_lower_case=False))),
    "accents kept, says tokenizer_config.json": Layout(then(bert, in_file(TOKENS, strip_accents=False))),
    "lower-cased by sentence-transformers": Layout(
        then(bert, in_file(TOKENS, do_lower_case=False), in_file(SENTENCE, do_lower_case=True))
    ),
    "a word that is a special token": Layout(then(bert, in_file(TOKENS, additional_special_tokens=["hello", "quick"]))),
    "special tokens that are split": Layout(then(bert, in_file(TOKENS, split_special_tokens=True))),
    "no type ids for the model": Layout(
        then(
            bert,
            in_file(
                TOKENS, model_input_names=["input_ids", "attention_mask"], tokenizer_class="PreTrainedTokenizerFast"
            ),
            with_type_ids(1),
        )
    ),
    "dropout that the class leaves out": Layout(then(roberta, model_part(dropout=0.5))),
    "dropout that stays": Layout(
        then(roberta, model_part(dropout=0.5), in_file(TOKENS, tokenizer_class="PreTrainedTokenizerFast")),
        R,
        "leaves out merges at random (dropout 0.5)",
    ),
    "padding and truncation left in": Layout(then(bert, tokenizer_part(truncation=CUT_AT_8, padding=PADDED_TO_8))),
    "padded on the left": Layout(then(bert, in_file(TOKENS, padding_side="left"))),
    "a vocabulary larger than the word table": Layout(
        then(bert, in_file(TOKENS, additional_special_tokens=["new"])), R, "the model knows only"
    ),
    "a torn tokenizer.json": Layout(
        then(bert, lambda folder: (folder / "tokenizer.json").write_text("{}")),
        R,
        "sentence-transformers cannot load it",
    ),
    "a vocabulary alone": Layout(then(bert, vocabulary_alone)),
    # other architectures
    "distilbert": Layout(of(transformers.DistilBertConfig, **DISTIL), T),
    "distilbert under another prefix": Layout(
        then(of(transformers.DistilBertConfig, **DISTIL), under("model.")), R, "the architecture needs"
    ),
    "electra": Layout(of(transformers.ElectraConfig, embedding_size=64, max_position_embeddings=64, **SMALL), T),
    "albert": Layout(of(transformers.AlbertConfig, max_position_embeddings=64, num_hidden_layers=2, **ALBERT), T),
    "modernbert": Layout(of(transformers.ModernBertConfig, **MODERN), T),
}

# Of these the files alone say enough, and it must be taken; of others, that they are refused is enough.
KNOWN_FORMS = {
    "bert",
    "bert. and gamma, beta",
    "a teacher beside it",
    "two shards",
    "in float16",
    "without activation, eps, padding",
    "sentence_camembert_config.json",
    "positions fewer than the limit",
    "a limit of 1e30",
    "stray files without modules.json",
    "a folder that is a link",
    "a default prompt",
    "a default prompt of null",
    "padding and truncation left in",
    "padded on the left",
}

MODULES: list[dict[str, Any]] = [
    {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
    for place, (kind, path) in enumerate((("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_N")))
]
# What the reference follows and our reading of the files does not.
UNSURE: dict[str, Callable[[Path], object]] = {
    "special tokens changed about": lambda folder: write(
        folder / "special_tokens_map.json", {"cls_token": "[SEP]", "sep_token": "[CLS]"}
    ),
    "an added token": lambda folder: write(folder / "added_tokens.json", {"fox": 20}),
    "an adapter": lambda folder: write(folder / "adapter_config.json", {}),
    "vectors that are cut": lambda folder: write(folder / ST, {"truncate_dim": 16}),
    "a limit that is no whole number": in_file(SENTENCE, max_seq_length=16.5),
    "a tokenizer's limit as text": then(
        lambda folder: folder, removed(SENTENCE), in_file(TOKENS, model_max_length="16")
    ),
    "a pooling with a key of its own": in_file("1_Pooling/config.json", odd=True),
    "a pooling of another width": in_file("1_Pooling/config.json", word_embedding_dimension=32),
    "quantised": in_file("config.json", quantization_config={"load_in_8bit": True}),
    "a class of config.json's": in_file("config.json", tokenizer_class="GPT2Tokenizer"),
    "padding that is no token": in_file("config.json", pad_token_id=10**6),
    "another kind of module": lambda folder: write(
        folder / "modules.json", [*MODULES[:2], MODULES[2] | {"type": "sentence_transformers.models.Dropout"}]
    ),
}
