"""Writes the model as ONNX, float32. `… MODEL OUTPUT`. A process of its own: the one that is measured has no torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel

INPUTS = ("input_ids", "attention_mask")


class Tokens(torch.nn.Module):  # type: ignore[misc]
    """Ids and mask to a vector for each token; the mask is made additive here, where the exporter can follow it."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        hidden_from = (1.0 - attention_mask[:, None, None, :].float()) * -1e9
        positions = torch.arange(input_ids.shape[1])[None]
        kinds = torch.zeros_like(input_ids)
        output = self.model(
            input_ids=input_ids, attention_mask=hidden_from, token_type_ids=kinds, position_ids=positions
        )
        return output.last_hidden_state


def main() -> None:
    model, output = map(Path, sys.argv[1:])
    tokens = Tokens(AutoModel.from_pretrained(model, attn_implementation="eager")).eval()
    example = torch.ones(2, 8, dtype=torch.long)
    partial = output.with_suffix(".partial")
    torch.onnx.export(
        tokens,
        (example, example),
        str(partial),
        dynamo=False,
        input_names=list(INPUTS),
        output_names=["tokens"],
        dynamic_axes={name: {0: "texts", 1: "tokens"} for name in (*INPUTS, "tokens")},
        opset_version=17,
    )
    partial.replace(output)


if __name__ == "__main__":
    main()
