"""A verified model into sentence-transformers' hands, whole and in float32, or refused in one line."""

from __future__ import annotations

import torch
import transformers
from sentence_transformers import SentenceTransformer

from ..errors import ModelRefusedError, one_line
from .checkpoint import Checkpoint

NAMED_AT_MOST = 3


def load(checkpoint: Checkpoint, longest: int = 0) -> SentenceTransformer:
    """The model, on one thread; `longest`: tokens that a text may have, 0: as the model's files say.

    Leaves float32 tensors inside the mapping of the weight files. Raises ModelRefusedError.
    """
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    try:
        model = SentenceTransformer(
            str(checkpoint.directory),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"dtype": torch.float32, "use_safetensors": True},
        )
    except Exception as error:  # noqa: BLE001 - whatever a model's files provoke, the answer is one line
        raise ModelRefusedError(
            f"{checkpoint.directory}: sentence-transformers cannot load it: {one_line(error)}"
        ) from None
    if longest:
        model.max_seq_length = longest
    return model.eval()


def check_whole(model: SentenceTransformer, checkpoint: Checkpoint) -> None:
    """Raise ModelRefusedError if files lack tensors: transformers would fill them with random numbers and only warn.

    Of BERT's family the files were checked (bert.py), but for what the class that was taken has beside the encoder.
    """
    if type(model[0]).__name__ != "Transformer":
        return
    inner = model[0].auto_model
    _, report = type(inner).from_pretrained(
        str(checkpoint.recipe.modules[0].directory),
        config=inner.config,
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
    )
    missing = sorted(name for name in report["missing_keys"] if "pooler" not in name)
    if missing:
        named = ", ".join(missing[:NAMED_AT_MOST])
        raise ModelRefusedError(
            f"{checkpoint.directory}: the architecture needs {named} ({len(missing)} tensors in all), "
            "which no weight file holds"
        )
