"""The libraries as people use them: sentence-transformers, transformers' BertModel, ONNX Runtime; float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from sentence_transformers import SentenceTransformer

from app.encoder import Checkpoint
from tests.bench.encoder.contender import Call, CannotRunError, Contender
from tests.bench.encoder.workloads import Workload
from tests.bench.onnx_ceiling import CeilingFailedError, exported, exported_int8

BATCH_TEXTS = 32


class Reference:
    """`SentenceTransformer.encode`, which tokenizes, pools and normalizes too."""

    def __init__(self, checkpoint: Checkpoint, longest: int | None = None) -> None:
        """`longest`: tokens, instead of the recipe's."""
        self._model = SentenceTransformer(str(checkpoint.directory), device="cpu", local_files_only=True)
        if longest:
            self._model.max_seq_length = longest

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32, shape (texts, dimension), length 1."""
        found: np.ndarray = self._model.encode(list(texts), batch_size=BATCH_TEXTS, show_progress_bar=False)
        return found


def use_one_thread() -> None:
    """For torch; the environment, which app/fleet/threads.py has set, is for the others."""
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    transformers.utils.logging.disable_progress_bar()


def sentence_transformers(checkpoint: Checkpoint, positions: int) -> Contender:
    """With its tokenizing, as users call it."""
    reference = Reference(checkpoint, positions)

    def prepare(workload: Workload) -> Call | None:
        return (lambda: reference.encode(workload.texts)) if workload.texts else None

    return Contender("SentenceTransformer.encode", "float32", prepare)


def bert_model(directory: Path) -> Any:
    """transformers' BertModel in float32."""
    return transformers.AutoModel.from_pretrained(directory, dtype=torch.float32, local_files_only=True).eval()


def eager(directory: Path) -> Contender:
    """BertModel on ids, and the mean over the tokens."""
    model = bert_model(directory)

    def prepare(workload: Workload) -> Call:
        ids = torch.from_numpy(workload.ids)

        def call() -> np.ndarray:
            with torch.inference_mode():
                found: np.ndarray = model(input_ids=ids).last_hidden_state.mean(dim=1).numpy()
            return found

        return call

    return Contender("eager BertModel", "float32", prepare)


def onnx_runtime(precision: str) -> Contender:
    """The exported model on ids, and the mean over the tokens; float32 or int8. Raises CannotRunError."""
    try:
        import onnxruntime

        file = exported() if precision == "float32" else exported_int8()
    except (ImportError, CeilingFailedError) as error:
        raise CannotRunError(str(error)) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def prepare(workload: Workload) -> Call:
        inputs = {"input_ids": workload.ids, "attention_mask": np.ones_like(workload.ids)}
        return lambda: session.run(None, inputs)[0].mean(axis=1)

    return Contender("ONNX Runtime", precision, prepare)
