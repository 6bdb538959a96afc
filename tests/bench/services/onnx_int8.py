"""Writes the exported model in ONNX Runtime's eight bits. `… ONNX OUTPUT`.

The usual export: dynamic, int8 weights, each activation tensor with a scale of its own at run time.
"""

from __future__ import annotations

import sys
from pathlib import Path

from onnxruntime.quantization import QuantType, quantize_dynamic


def main() -> None:
    onnx, output = map(Path, sys.argv[1:])
    partial = output.with_suffix(".partial")
    quantize_dynamic(onnx, partial, weight_type=QuantType.QInt8)
    partial.replace(output)


if __name__ == "__main__":
    main()
