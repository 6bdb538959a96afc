"""Who takes part here, and who cannot, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from app.encoder import Checkpoint
from app.encoder.native.choice import AUTOMATIC
from app.encoder.native.library import PRECISIONS
from app.errors import ConfigurationError, ModelRefusedError, one_line
from tests.bench.encoder import libraries, native, openvino, prepacked
from tests.bench.encoder.contender import CannotRunError, Contender


@dataclass
class Lineup:
    """Every engine that runs here."""

    contenders: list[Contender] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, label: str, make: Callable[[], Iterable[Contender]]) -> None:
        try:
            self.contenders += make()
        except (CannotRunError, ConfigurationError, ModelRefusedError) as error:
            self.left_out[label] = one_line(error)


def gather(checkpoint: Checkpoint, positions: int) -> Lineup:
    """Load every engine for texts up to the model's positions; the others are held against the first."""
    libraries.use_one_thread()
    model = libraries.bert_model(checkpoint.directory)
    found = Lineup()
    found.add("eager BertModel", lambda: [libraries.eager(checkpoint.directory)])
    found.add("SentenceTransformer.encode", lambda: [libraries.sentence_transformers(checkpoint, positions)])
    for precision in ("float32", "int8"):
        found.add(f"ONNX Runtime {precision}", partial(_onnx_runtime, precision))
    for precision in ("bfloat16", "int8"):
        found.add(f"OpenVINO {precision}", partial(_openvino, precision))
    for precision in AUTOMATIC:
        found.add(f"{prepacked.NAME} {precision}", partial(_prepacked, model, precision))
    for precision in PRECISIONS:
        found.add(f"native {precision}", partial(native.contenders, checkpoint, precision, positions))
    return found


def _onnx_runtime(precision: str) -> list[Contender]:
    return [libraries.onnx_runtime(precision)]


def _openvino(precision: str) -> list[Contender]:
    return [openvino.contender(precision)]


def _prepacked(model: Any, precision: str) -> list[Contender]:
    return [prepacked.contender(model, precision)]
