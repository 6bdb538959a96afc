"""Small random models in the layouts that public checkpoints have, each with what must come of it.

A layout makes a folder; sentence-transformers says what its vectors are. LayerNorms and biases are moved away from 1
and 0, else a loader that leaves them out would not be seen. The vocabularies hold single characters of many scripts, in
both cases, so that a tokenizer that lower-cases, cuts or normalises otherwise gives other ids.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE, Unigram, WordPiece

from app.encoder import bert as bert_family
from app.encoder.reference import ODD, TEXTS
from tests.native_checkpoints import change, write

Tensors = dict[str, np.ndarray]
Make = Callable[[Path], object]
LETTERS = sorted({letter for text in (*TEXTS, *ODD) for form in (text, text.lower(), text.upper()) for letter in form})
LETTERS = [letter for letter in LETTERS if letter.isprintable() and letter != " "]
WORDS = ("hello", "the", "quick", "brown", "word", "after", "text", "Hello", "The", "ALL")
SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
BERT_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
NAMED = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), BERT_SPECIAL, strict=True))
ROBERTA_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


@dataclass(frozen=True)
class Layout:
    """How the folder is made, and what must come of it."""

    make: Make
    engine: str = "native"
    """Which engine `auto` takes; "": none, the model is refused."""
    refusal: str = ""
    """Part of the sentence."""


def random_tensors(model: torch.nn.Module) -> Tensors:
    """All of a module's parameters, random, none of them 0 or 1."""
    rng = np.random.default_rng(7)
    return {
        name: (rng.normal(1.0 if name.endswith("LayerNorm.weight") else 0.0, 0.2, tuple(values.shape))).astype("f4")
        for name, values in model.state_dict().items()
        if values.is_floating_point()
    }


def word_piece() -> Tokenizer:
    """As transformers' BertTokenizer saves one."""
    vocabulary = [*BERT_SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS), *WORDS]
    made = Tokenizer(WordPiece({word: place for place, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    made.add_special_tokens(list(BERT_SPECIAL))
    return made


def byte_pairs() -> Tokenizer:
    """As transformers' RobertaTokenizer saves one."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("Ġ", "t"), ("Ġt", "he"), ("w", "o"), ("r", "d")]
    vocabulary = [*ROBERTA_SPECIAL[:4], *alphabet, *("".join(pair) for pair in merges), ROBERTA_SPECIAL[4]]
    made = Tokenizer(BPE({word: place for place, word in enumerate(vocabulary)}, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    made.add_special_tokens(list(ROBERTA_SPECIAL))
    return made


def pieces() -> Tokenizer:
    """As transformers' XLMRobertaTokenizer saves one, but for a charsmap of its own."""
    words = [(f"▁{word}", -3.0) for word in WORDS]
    letters = [(letter, -8.0 - place / 100) for place, letter in enumerate([*LETTERS, "▁"])]
    special = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    made = Tokenizer(Unigram([*special, *words, *letters, ("<mask>", 0.0)], unk_id=3, byte_fallback=False))
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    made.add_special_tokens(list(ROBERTA_SPECIAL))
    return made


def _save(folder: Path, config: Any, tokenizer: Tokenizer, kept: dict[str, Any], longest: int) -> Path:
    folder.mkdir(parents=True)
    known = set(json.loads(config.to_json_string())) | {*bert_family.DEFAULTS, "pad_token_id"}
    content = json.loads(config.to_json_string(use_diff=False))
    write(folder / "config.json", {name: value for name, value in content.items() if name in known})
    save_file(random_tensors(transformers.AutoModel.from_config(config)), folder / "model.safetensors")
    tokenizer.save(str(folder / "tokenizer.json"))
    write(folder / "tokenizer_config.json", kept)
    as_modules(folder, longest)
    return folder


def as_modules(folder: Path, longest: int, pooling: str = "mean") -> None:
    """The files of a sentence-transformers model."""
    write(folder / "sentence_bert_config.json", {"max_seq_length": longest, "do_lower_case": False})
    write(
        folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 64, f"pooling_mode_{pooling}_tokens": True}
    )
    kinds = (("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize"))
    write(
        folder / "modules.json",
        [
            {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for index, (kind, path) in enumerate(kinds)
        ],
    )


def bert(folder: Path, **options: Any) -> Path:
    """BERT with a WordPiece tokenizer."""
    tokenizer = word_piece()
    config = transformers.BertConfig(
        vocab_size=tokenizer.get_vocab_size(), **{"max_position_embeddings": 64, **SMALL} | options
    )
    stated = NAMED | {"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "BertTokenizer"}
    return _save(folder, config, tokenizer, stated, longest=32)


def roberta(folder: Path, **options: Any) -> Path:
    """RoBERTa with a byte-level BPE."""
    tokenizer = byte_pairs()
    sizes = {"max_position_embeddings": 66, "type_vocab_size": 1, "layer_norm_eps": 1e-5, **SMALL}
    config = transformers.RobertaConfig(vocab_size=tokenizer.get_vocab_size(), **sizes | options)
    return _save(
        folder, config, tokenizer, {"tokenizer_class": "RobertaTokenizer", "model_max_length": 512}, longest=32
    )


def xlm_roberta(folder: Path, **options: Any) -> Path:
    """XLM-R with a Unigram model."""
    tokenizer = pieces()
    sizes = {"max_position_embeddings": 66, "type_vocab_size": 1, "layer_norm_eps": 1e-5, **SMALL}
    config = transformers.XLMRobertaConfig(vocab_size=tokenizer.get_vocab_size(), **sizes | options)
    stated = {"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 512}
    return _save(folder, config, tokenizer, stated, longest=32)


def of(config: Any, **options: Any) -> Callable[[Path], Path]:
    """Another architecture with BERT's tokenizer."""

    def make(folder: Path) -> Path:
        tokenizer = word_piece()
        made = config(vocab_size=tokenizer.get_vocab_size(), pad_token_id=0, **options)
        return _save(folder, made, tokenizer, {**NAMED, "tokenizer_class": "BertTokenizer"}, longest=32)

    return make


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


PROMPTS = {"query": "query: ", "passage": "passage: "}
SENTENCE = "sentence_bert_config.json"
TOKENS = "tokenizer_config.json"
ST = "config_sentence_transformers.json"
