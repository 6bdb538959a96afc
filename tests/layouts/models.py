"""The models that layouts begin with: BERT, RoBERTa, XLM-R and others, random, with tokenizers of letters."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE, Unigram, WordPiece

from app.encoder import bert as bert_family
from app.encoder.reference import ODD, TEXTS
from tests.native_checkpoints import write

Tensors = dict[str, np.ndarray]
Make = Callable[[Path], object]
LETTERS = sorted({letter for text in (*TEXTS, *ODD) for form in (text, text.lower(), text.upper()) for letter in form})
LETTERS = [letter for letter in LETTERS if letter.isprintable() and letter != " "]
WORDS = ("hello", "the", "quick", "brown", "word", "after", "text", "Hello", "The", "ALL")
SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
BERT_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
NAMED = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), BERT_SPECIAL, strict=True))
ROBERTA_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


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
