"""Writes the exported model in OpenVINO's eight bits. `… ONNX MODEL OUTPUT.xml`, in OpenVINO's environment.

As sentence-transformers documents it (static quantisation by NNCF for transformers, its defaults otherwise), with the
texts that our own eight bits are calibrated with.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nncf
import numpy as np
import openvino
from tokenizers import Tokenizer

from app.encoder.native import calibration


def main() -> None:
    onnx, model, output = map(Path, sys.argv[1:])
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.no_padding()

    def inputs(text: str) -> dict[str, Any]:
        ids = np.array([tokenizer.encode(text).ids])
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)}

    texts = calibration.texts()
    made = nncf.quantize(
        openvino.Core().read_model(onnx),
        nncf.Dataset(texts, inputs),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(texts),
    )
    partial = output.with_stem(f"partial-{output.stem}")
    openvino.save_model(made, partial)
    partial.with_suffix(".bin").replace(output.with_suffix(".bin"))
    partial.replace(output)


if __name__ == "__main__":
    main()
