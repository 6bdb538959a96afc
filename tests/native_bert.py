"""BERT in numpy and float64, from the paper's formulas: what the kernel's plain path is held against."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from app.encoder.native.layout import QKV
from tests.native_models import SmallModel, Texts

ERF = np.vectorize(math.erf, otypes=[np.float64])
Function = Callable[[np.ndarray], np.ndarray]
ACTIVATIONS: dict[str, Function] = {
    "identity": lambda x: x,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: x / 2 * (1 + ERF(x / 2**0.5)),
    "gelu_tanh": lambda x: x / 2 * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))),
}
POOLINGS: dict[str, Function] = {
    "mean": lambda states: states.mean(axis=0),
    "max": lambda states: states.max(axis=0),
    "cls": lambda states: states[0],
    "lasttoken": lambda states: states[-1],
}


def bert(model: SmallModel, text: Texts) -> np.ndarray:
    """The last layer's states of one text; float64, shape (tokens, hidden)."""
    x = sum(
        model.source[f"embeddings.{name}_embeddings.weight"].astype(np.float64)[rows]
        for name, rows in (("word", text.ids), ("token_type", text.types), ("position", _positions(model, text.ids)))
    )
    x = _normalized(model, "embeddings.LayerNorm", x)
    for layer in range(model.architecture.shape.layers):
        x = _layer(model, f"encoder.layer.{layer}.", x)
    return x


def pooled(states: np.ndarray, poolings: tuple[str, ...]) -> np.ndarray:
    """One text's states to its vector."""
    return np.concatenate([POOLINGS[pooling](states) for pooling in poolings])


def dense_layers(model: SmallModel, vector: np.ndarray) -> np.ndarray:
    """What the Dense modules make of a vector."""
    for module in model.architecture.dense:
        bias = model.source[module.bias] if module.bias else 0
        vector = ACTIVATIONS[module.activation](vector @ model.source[module.weight].T + bias)
    return vector


def _positions(model: SmallModel, ids: np.ndarray) -> np.ndarray:
    """RoBERTa's begin after pad_id, which is the position of every padding token."""
    pad_id = model.architecture.pad_id
    if pad_id < 0:
        return np.arange(len(ids))
    return np.where(ids == pad_id, pad_id, pad_id + np.cumsum(ids != pad_id))


def _layer(model: SmallModel, at: str, x: np.ndarray) -> np.ndarray:
    heads = model.architecture.shape.heads
    query, key, value = (
        _linear(model, f"{at}attention.self.{part}", x).reshape(len(x), heads, -1).swapaxes(0, 1) for part in QKV
    )
    scores = query @ key.swapaxes(1, 2) / query.shape[-1] ** 0.5
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = (shares / shares.sum(axis=-1, keepdims=True) @ value).swapaxes(0, 1).reshape(len(x), -1)
    x = _normalized(model, f"{at}attention.output.LayerNorm", x + _linear(model, f"{at}attention.output.dense", mixed))
    inner = ACTIVATIONS[model.architecture.activation](_linear(model, f"{at}intermediate.dense", x))
    return _normalized(model, f"{at}output.LayerNorm", x + _linear(model, f"{at}output.dense", inner))


def _linear(model: SmallModel, name: str, x: np.ndarray) -> np.ndarray:
    product: np.ndarray = x @ model.source[f"{name}.weight"].astype(np.float64).T + model.source[f"{name}.bias"]
    return product


def _normalized(model: SmallModel, name: str, x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + model.architecture.epsilon)
    scaled: np.ndarray = centred / deviation * model.source[f"{name}.weight"] + model.source[f"{name}.bias"]
    return scaled
