"""OpenVINO in bfloat16, on the exported model: what Intel's own engine makes of its tiles. Its own environment."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from tests.bench.encoder.contender import Call, CannotRunError, Contender
from tests.bench.encoder.workloads import Workload
from tests.bench.peers.onnx_runtime import CeilingFailedError, exported
from tests.bench.places import OPENVINO, has_environment

# One thread, like everybody here; bfloat16 is a hint, which a processor without it may refuse.
SETTINGS = {
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "PERFORMANCE_HINT": "LATENCY",
    "INFERENCE_PRECISION_HINT": "bf16",
}


def contender() -> Contender:
    """Ids to the mean over the tokens. Raises CannotRunError."""
    compiled = _compiled()

    def prepare(workload: Workload) -> Call:
        inputs = {"input_ids": workload.ids, "attention_mask": np.ones_like(workload.ids)}
        request = compiled.create_infer_request()

        def call() -> np.ndarray:
            request.infer(inputs, share_inputs=True)
            found: np.ndarray = request.get_output_tensor(0).data.mean(axis=1)
            return found

        return call

    return Contender("OpenVINO", "bfloat16", prepare)


def _compiled() -> Any:
    if not has_environment(OPENVINO):
        raise CannotRunError("OpenVINO could not be installed (see the output of `make bench-encoder`)")
    packages = next(OPENVINO.glob("lib/python*/site-packages"))
    sys.path.append(str(packages))  # behind our own: of its dependencies only those that are not here yet
    try:
        import openvino

        core = openvino.Core()
        compiled = core.compile_model(core.read_model(exported()), "CPU", SETTINGS)
    except (ImportError, RuntimeError, CeilingFailedError) as error:
        raise CannotRunError(str(error)) from None
    finally:
        sys.path.remove(str(packages))
    taken = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    if taken != "bf16":
        raise CannotRunError(f"OpenVINO takes {taken} on this processor, not bf16")
    return compiled
