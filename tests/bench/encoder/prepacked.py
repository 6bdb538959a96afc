"""As fast as torch goes: oneDNN on weights that it has laid out for each workload's number of rows.

What `torch.compile` with freezing arrives at, written out: fused QKV, and residuals inside the products. GELU is apart:
inside oneDNN's product it takes longer (92 ms instead of 85 at 242 tokens, AVX2).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention

from app.errors import one_line
from tests.bench.encoder.contender import Call, CannotRunError, Contender
from tests.bench.encoder.workloads import Workload

NAME = "torch, oneDNN-prepacked"
OPS = torch.ops.mkldnn


class Product:
    """A linear layer, laid out for so many rows."""

    def __init__(self, layers: list[Any], rows: int, dtype: Any) -> None:
        """Several layers become one, side by side."""
        weight = torch.cat([layer.weight.detach() for layer in layers]).to(dtype)
        self._bias = torch.cat([layer.bias.detach() for layer in layers]).to(dtype)
        self._weight = OPS._reorder_linear_weight(weight, rows)

    def __call__(self, inputs: Any) -> Any:
        return OPS._linear_pointwise(inputs, self._weight, self._bias, "none", [], "none")

    def plus(self, inputs: Any, residual: Any) -> Any:
        return OPS._linear_pointwise.binary(inputs, residual, self._weight, self._bias, "add")


class Layer:
    """One layer of the encoder."""

    def __init__(self, layer: Any, rows: int, dtype: Any) -> None:
        attention = layer.attention
        own = attention.self
        self._heads = own.num_attention_heads
        self._qkv = Product([own.query, own.key, own.value], rows, dtype)
        self._project = Product([attention.output.dense], rows, dtype)
        self._up = Product([layer.intermediate.dense], rows, dtype)
        self._down = Product([layer.output.dense], rows, dtype)
        self._attended = _norm(attention.output.LayerNorm, dtype)
        self._fed = _norm(layer.output.LayerNorm, dtype)

    def __call__(self, states: Any) -> Any:
        count, tokens, hidden = states.shape
        split = self._qkv(states).view(count, tokens, 3, self._heads, hidden // self._heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(count, tokens, hidden)
        states = layer_norm(self._project.plus(mixed, states), (hidden,), *self._attended)
        return layer_norm(self._down.plus(gelu(self._up(states)), states), (hidden,), *self._fed)


def contender(model: Any, precision: str) -> Contender:
    """A BertModel's forward on ids, and the mean over the tokens. Raises CannotRunError."""
    if model.config.hidden_act != "gelu":
        raise CannotRunError(f"this model's activation is {model.config.hidden_act}, and only gelu is written out here")
    if precision == "bfloat16" and not OPS._is_mkldnn_bf16_supported():
        raise CannotRunError("oneDNN computes bfloat16 only with AVX-512 or AVX-NE-CONVERT, which are not here")
    dtype = getattr(torch, precision)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def prepare(workload: Workload) -> Call:
        layers = [Layer(layer, workload.ids.size, dtype) for layer in model.encoder.layer]
        ids = torch.from_numpy(workload.ids)
        return lambda: _vectors(model.embeddings, layers, ids, dtype)

    try:
        prepare(Workload("", (), np.zeros((1, 1), np.int64)))()
    except RuntimeError as error:
        raise CannotRunError(one_line(error)) from None
    return Contender(NAME, precision, prepare)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def _vectors(embeddings: Any, layers: list[Layer], ids: Any, dtype: Any) -> np.ndarray:
    states = embeddings(input_ids=ids).to(dtype)
    for layer in layers:
        states = layer(states)
    found: np.ndarray = states.mean(dim=1, dtype=torch.float32).numpy()
    return found


def _norm(norm: Any, dtype: Any) -> tuple[Any, Any, float]:
    return norm.weight.detach().to(dtype), norm.bias.detach().to(dtype), norm.eps
