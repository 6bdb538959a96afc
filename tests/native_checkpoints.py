"""Small random models saved as sentence-transformers would save them, without torch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from tests.native_models import SmallModel

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
NAMED = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = (*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS), "hello", "world")
FLAGS = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens", "lasttoken": "lasttoken"}
TORCH_ACTIVATIONS = {"identity": "linear.Identity", "tanh": "activation.Tanh", "relu": "activation.ReLU"}


def save(model: SmallModel, folder: Path, *, normalize: bool = False) -> Path:
    """The model's files in `folder`; its Dense modules read ".weight" and ".bias" of their number."""
    shape, architecture = model.architecture.shape, model.architecture
    config = {
        "model_type": "bert" if architecture.pad_id < 0 else "roberta",
        "hidden_size": shape.hidden,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.types,
        "hidden_act": {"gelu_tanh": "gelu_new"}.get(architecture.activation, architecture.activation),
        "layer_norm_eps": architecture.epsilon,
        "pad_token_id": max(architecture.pad_id, 0),
    }
    write(folder / "config.json", config)
    write(folder / "sentence_bert_config.json", {"max_seq_length": model.longest})
    poolings = {f"pooling_mode_{FLAGS[mode]}": True for mode in architecture.poolings}
    write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": shape.hidden, **poolings})
    own = {name: tensor for name, tensor in model.source.items() if not name[0].isdigit()}
    save_file(own, folder / "model.safetensors")
    kinds = ["Transformer", "Pooling", *_dense_modules(model, folder), *(["Normalize"] if normalize else [])]
    write(folder / "modules.json", _listed(kinds))
    tokenizer().save(str(folder / "tokenizer.json"))
    kind = "BertTokenizer" if architecture.pad_id < 0 else "PreTrainedTokenizerFast"  # which is taken as it lies
    write(folder / "tokenizer_config.json", NAMED | {"do_lower_case": True, "tokenizer_class": kind})
    return folder


def tokenizer() -> Tokenizer:
    """A BERT tokenizer of single letters and two words."""
    made = Tokenizer(WordPiece({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.normalizer = BertNormalizer(lowercase=True)
    made.pre_tokenizer = BertPreTokenizer()
    made.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.add_special_tokens(list(SPECIAL))
    return made


def write(path: Path, content: Any) -> None:
    """JSON into a file, its folder made if need be."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def change(path: Path, **values: Any) -> None:
    """Some values of a JSON file; ... removes one."""
    content = (json.loads(path.read_text()) if path.is_file() else {}) | values
    write(path, {name: value for name, value in content.items() if value is not ...})


def _listed(kinds: list[str]) -> list[dict[str, Any]]:
    paths = ["" if kind == "Transformer" else f"{index}_{kind}" for index, kind in enumerate(kinds)]
    return [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]


def _dense_modules(model: SmallModel, folder: Path) -> list[str]:
    for index, module in enumerate(model.architecture.dense, start=2):
        activation = f"torch.nn.modules.{TORCH_ACTIVATIONS[module.activation]}"
        sizes = {"in_features": module.inputs, "out_features": module.outputs, "bias": module.bias is not None}
        write(folder / f"{index}_Dense" / "config.json", sizes | {"activation_function": activation})
        tensors: dict[str, np.ndarray] = {"linear.weight": model.source[module.weight]}
        if module.bias:
            tensors["linear.bias"] = model.source[module.bias]
        save_file(tensors, folder / f"{index}_Dense" / "model.safetensors")
    return ["Dense"] * len(model.architecture.dense)


def renamed(model: SmallModel, prefix: str) -> SmallModel:
    """The same model with its transformer's tensors under a prefix, as a BertForMaskedLM has them."""
    source = {name if name[0].isdigit() else prefix + name: tensor for name, tensor in model.source.items()}
    return replace(model, source=source)
