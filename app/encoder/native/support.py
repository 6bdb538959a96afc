"""Which models the kernel can run, and what of their files it needs to know."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.encoder.checkpoint import Checkpoint
from app.encoder.native.layout import Dense, Shape
from app.encoder.native.library import POOLINGS
from app.encoder.recipe import Module, Recipe
from app.encoder.weights import BERT_FAMILY, WeightFile, bert_prefix

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
DENSE_ACTIVATIONS = {"Identity": "identity", "Tanh": "tanh", "ReLU": "relu", "GELU": "gelu"}
# Keys of a Dense module's config that the kernel answers to, with the values that it can do beside any size.
DENSE_DEFAULTS = {"module_input_name": "sentence_embedding", "module_output_name": None, "use_residual": False}
WIDEST_HEAD = 256
LARGEST_SIDE = 65536  # checks.h


class UnsupportedError(Exception):
    """The kernel cannot run this model; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """All that the kernel must know of a model beside its weights."""

    shape: Shape
    activation: str
    epsilon: float
    pad_id: int
    """-1: positions count from 0; else as RoBERTa counts them (see bert.h)."""
    poolings: tuple[str, ...]
    dense: tuple[Dense, ...]
    prefix: str
    """What the tensors' names begin with, such as "bert."."""

    @property
    def dimension(self) -> int:
        """Numbers in a text's vector."""
        return self.dense[-1].outputs if self.dense else len(self.poolings) * self.shape.hidden


def examine(checkpoint: Checkpoint) -> Architecture:
    """What the kernel needs to know of a verified model. Raises UnsupportedError if it cannot run it."""
    recipe = checkpoint.recipe
    _check_family(recipe)
    _check_modules(recipe)
    config = recipe.config
    pad_id = -1 if recipe.model_type == "bert" else _number(config, "pad_token_id", 1)
    shape = _shape(config)
    room = shape.positions - (pad_id + 1)
    if not 0 < checkpoint.max_tokens <= room:
        raise UnsupportedError(f"its longest text is {checkpoint.max_tokens} tokens, its positions are {room}")
    _check_tokenizer(recipe.modules[0].directory)
    return Architecture(
        shape=shape,
        activation=ACTIVATIONS[config["hidden_act"]],
        epsilon=float(config.get("layer_norm_eps") or 1e-12),
        pad_id=pad_id,
        poolings=recipe.pooling,
        dense=_dense(checkpoint, len(recipe.pooling) * shape.hidden),
        prefix=bert_prefix(checkpoint.weights[0].shapes),
    )


def _check_family(recipe: Recipe) -> None:
    config = recipe.config
    if recipe.model_type not in BERT_FAMILY:
        raise UnsupportedError(f"its architecture is {recipe.model_type!r}, not BERT's")
    if config.get("hidden_act") not in ACTIVATIONS:
        raise UnsupportedError(f"its activation function is {config.get('hidden_act')!r}")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise UnsupportedError(f"its positions are {config['position_embedding_type']!r}, not absolute")
    if config.get("is_decoder"):
        raise UnsupportedError("it is a decoder")


def _check_modules(recipe: Recipe) -> None:
    kinds = [module.kind for module in recipe.modules]
    middle = kinds[2:-1] if kinds[-1] == "Normalize" else kinds[2:]
    if kinds[:2] != ["Transformer", "Pooling"] or any(kind != "Dense" for kind in middle):
        raise UnsupportedError(f"its modules are {', '.join(kinds)}")
    unknown = [pooling for pooling in recipe.pooling if pooling not in POOLINGS]
    if unknown:
        raise UnsupportedError(f"its pooling is {unknown[0]!r}")
    if recipe.default_prompt and not recipe.modules[1].config.get("include_prompt", True):
        raise UnsupportedError("its pooling leaves the prompt out")


def _shape(config: dict[str, Any]) -> Shape:
    heads = config.get("num_attention_heads")
    shape = Shape(
        hidden=int(config["hidden_size"]),
        inner=int(config["intermediate_size"]),
        layers=int(config["num_hidden_layers"]),
        heads=heads if isinstance(heads, int) and heads > 0 else 1,
        vocabulary=int(config["vocab_size"]),
        positions=int(config["max_position_embeddings"]),
        types=int(config["type_vocab_size"]),
    )
    head, rest = divmod(shape.hidden, shape.heads)
    if heads is None or rest or head % 16 or head > WIDEST_HEAD:
        raise UnsupportedError(f"its {heads} heads share {shape.hidden} columns")
    if max(4 * shape.hidden, shape.inner) > LARGEST_SIDE:
        raise UnsupportedError(f"its sizes, {shape.hidden} and {shape.inner}, are more than the kernel takes")
    if shape.hidden % 64 or shape.inner % 64:
        raise UnsupportedError(f"its sizes, {shape.hidden} and {shape.inner}, are no multiples of 64")
    return shape


def _number(config: dict[str, Any], name: str, default: int) -> int:
    number = config.get(name)
    return number if isinstance(number, int) else default


def _check_tokenizer(directory: Path) -> None:
    """transformers makes a BERT tokenizer's normalizer from tokenizer_config.json; we read tokenizer.json alone."""
    if not (directory / "tokenizer.json").is_file():
        raise UnsupportedError("it has no tokenizer.json")
    path = directory / "tokenizer_config.json"
    stated = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    normalizer = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8")).get("normalizer") or {}
    if normalizer.get("type") != "BertNormalizer":
        return
    for name, wanted in (
        ("lowercase", stated.get("do_lower_case", True)),
        ("handle_chinese_chars", stated.get("tokenize_chinese_chars", True)),
        ("strip_accents", stated.get("strip_accents")),
        ("clean_text", True),
    ):
        if normalizer.get(name) != wanted:
            raise UnsupportedError(f"tokenizer.json has {name} otherwise than transformers would")


def _dense(checkpoint: Checkpoint, inputs: int) -> tuple[Dense, ...]:
    found = []
    for module in checkpoint.recipe.modules[2:]:
        if module.kind == "Dense":
            file = next(file for file in checkpoint.weights if file.path.parent == module.directory)
            found.append(_dense_of(module, file, inputs))
            inputs = found[-1].outputs
    return tuple(found)


def _dense_of(module: Module, file: WeightFile, inputs: int) -> Dense:
    config = module.config
    path = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    activation = DENSE_ACTIVATIONS.get(path.rpartition(".")[2])
    odd = [
        name for name, value in DENSE_DEFAULTS.items() if config.get(name, value) not in (value, "sentence_embedding")
    ]
    if odd or activation is None or not path.startswith("torch.nn."):
        raise UnsupportedError(f"its Dense module has {odd[0] if odd else 'activation ' + path}")
    if inputs % 2:
        raise UnsupportedError(f"its Dense module has {inputs} inputs, an odd number")
    outputs = _number(config, "out_features", 0)
    bias = file.shapes.get("linear.bias")
    if file.shapes.get("linear.weight") != (outputs, inputs) or bias not in (None, (outputs,)):
        raise UnsupportedError(f"its Dense module is not {inputs} × {outputs}, as its config.json says")
    prefix = file.name + ":"
    return Dense(
        weight=prefix + "linear.weight",
        bias=prefix + "linear.bias" if bias else None,
        inputs=inputs,
        outputs=outputs,
        activation=activation,
    )
