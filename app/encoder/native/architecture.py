"""Which models the kernel can run, and what of their files it needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import bert
from ..model import Model
from ..recipe import Module
from ..weightfiles import WeightFile
from .layout import Dense, Shape
from .library import POOLINGS
from .tensorfile import FLOATS

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

    @property
    def dimension(self) -> int:
        """Numbers in a text's vector."""
        return self.dense[-1].outputs if self.dense else len(self.poolings) * self.shape.hidden


def examine(model: Model) -> Architecture:
    """What the kernel needs to know of a described model. Raises UnsupportedError if it cannot run it."""
    recipe = model.recipe
    config = recipe.config
    _check_family(model)
    _check_modules(model)
    if not 0 < model.max_tokens <= bert.positions(config):
        raise UnsupportedError(
            f"its longest text is {model.max_tokens} tokens, its positions are {bert.positions(config)}"
        )
    shape = _shape(config)
    return Architecture(
        shape=shape,
        activation=ACTIVATIONS[config["hidden_act"]],
        epsilon=float(config["layer_norm_eps"]),
        pad_id=config["pad_token_id"] if bert.FAMILIES[recipe.model_type].counts_from_padding else -1,
        poolings=recipe.pooling,
        dense=_dense(model, len(recipe.pooling) * shape.hidden),
    )


def _check_family(model: Model) -> None:
    recipe, config = model.recipe, model.recipe.config
    if not bert.is_one(config):
        raise UnsupportedError(f"its architecture is {recipe.model_type!r}, not BERT's")
    if config["hidden_act"] not in ACTIVATIONS:
        raise UnsupportedError(f"its activation function is {config['hidden_act']!r}")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise UnsupportedError(f"its positions are {config['position_embedding_type']!r}, not absolute")
    if config["is_decoder"]:
        raise UnsupportedError("it is a decoder")
    odd = {place.file.dtypes[place.name] for place in model.checkpoint.tensors.values()} - FLOATS
    if odd:
        raise UnsupportedError(f"its weights are stored as {min(odd)}")
    if model.description.why_no_tokenizer:
        raise UnsupportedError(model.description.why_no_tokenizer)


def _check_modules(model: Model) -> None:
    recipe, described = model.recipe, model.description
    kinds = [module.kind for module in recipe.modules]
    middle = kinds[2:-1] if kinds[-1] == "Normalize" else kinds[2:]
    if kinds[:2] != ["Transformer", "Pooling"] or any(kind != "Dense" for kind in middle):
        raise UnsupportedError(f"its modules are {', '.join(kinds)}")
    if (tuple(kinds), recipe.pooling) != (described.modules, described.pooling):
        raise UnsupportedError(f"the reference makes of it {', '.join((*described.modules, *described.pooling))}")
    unknown = [pooling for pooling in recipe.pooling if pooling not in POOLINGS]
    if unknown:
        raise UnsupportedError(f"its pooling is {unknown[0]!r}")
    if described.default_prompt and not recipe.modules[1].config.get("include_prompt", True):
        raise UnsupportedError("its pooling leaves the prompt out")


def _shape(config: dict[str, Any]) -> Shape:
    shape = Shape(
        hidden=config["hidden_size"],
        inner=config["intermediate_size"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        vocabulary=config["vocab_size"],
        positions=config["max_position_embeddings"],
        types=config["type_vocab_size"],
    )
    head, rest = divmod(shape.hidden, shape.heads)
    if rest or head % 16 or head > WIDEST_HEAD:
        raise UnsupportedError(f"its {shape.heads} heads share {shape.hidden} columns")
    if max(4 * shape.hidden, shape.inner) > LARGEST_SIDE:
        raise UnsupportedError(f"its sizes, {shape.hidden} and {shape.inner}, are more than the kernel takes")
    if shape.hidden % 64 or shape.inner % 64:
        raise UnsupportedError(f"its sizes, {shape.hidden} and {shape.inner}, are no multiples of 64")
    return shape


def _dense(model: Model, inputs: int) -> tuple[Dense, ...]:
    found = []
    for module in model.recipe.modules[2:]:
        if module.kind == "Dense":
            file = next(file for file in model.checkpoint.weights if file.path.parent == module.directory)
            found.append(_dense_of(module, file, inputs))
            inputs = found[-1].outputs
    return tuple(found)


def _dense_of(module: Module, file: WeightFile, inputs: int) -> Dense:
    config = module.config
    path = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    activation = DENSE_ACTIVATIONS.get(path.rpartition(".")[2])
    if not set(file.dtypes.values()) <= FLOATS:
        raise UnsupportedError(f"its Dense module is stored as {min(file.dtypes.values())}")
    odd = [
        name for name, value in DENSE_DEFAULTS.items() if config.get(name, value) not in (value, "sentence_embedding")
    ]
    if odd or activation is None or not path.startswith("torch.nn."):
        raise UnsupportedError(f"its Dense module has {odd[0] if odd else 'activation ' + path}")
    if inputs % 2:
        raise UnsupportedError(f"its Dense module has {inputs} inputs, an odd number")
    outputs = int(config.get("out_features") or 0)
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
