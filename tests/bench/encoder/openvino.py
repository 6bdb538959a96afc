"""OpenVINO on the exported model, in bfloat16 and in NNCF's int8: what Intel's own engine makes of its tiles."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.encoder.contender import Call, CannotRunError, Contender
from tests.bench.encoder.workloads import Workload
from tests.bench.onnx_ceiling import CeilingFailedError, exported, run
from tests.kit.places import OPENVINO, cached, default_model, has_environment

# One thread, like everybody here; bfloat16 is a hint, which a processor without it may refuse. In int8 what is between
# the products is as OpenVINO chooses, as users have it.
SETTINGS = {
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "PERFORMANCE_HINT": "LATENCY",
}
HINT = "INFERENCE_PRECISION_HINT"


def contender(precision: str) -> Contender:
    """Ids to the mean over the tokens. Raises CannotRunError."""
    compiled = _compiled(precision)

    def prepare(workload: Workload) -> Call:
        inputs = {"input_ids": workload.ids, "attention_mask": np.ones_like(workload.ids)}
        request = compiled.create_infer_request()

        def call() -> np.ndarray:
            request.infer(inputs, share_inputs=True)
            found: np.ndarray = request.get_output_tensor(0).data.mean(axis=1)
            return found

        return call

    return Contender("OpenVINO", precision, prepare)


def _compiled(precision: str) -> Any:
    if not has_environment(OPENVINO):
        raise CannotRunError("OpenVINO could not be installed (see the output of `make bench-encoder`)")
    packages = next(OPENVINO.glob("lib/python*/site-packages"))
    sys.path.append(str(packages))  # behind our own: of its dependencies only those that are not here yet
    try:
        import openvino

        core = openvino.Core()
        file = exported() if precision == "bfloat16" else _quantised()
        settings = SETTINGS | ({HINT: "bf16"} if precision == "bfloat16" else {})
        compiled = core.compile_model(core.read_model(file), "CPU", settings)
    except (ImportError, RuntimeError, CeilingFailedError) as error:
        raise CannotRunError(str(error)) from None
    finally:
        sys.path.remove(str(packages))
    taken = compiled.get_property(HINT).to_string()
    if precision == "bfloat16" and taken != "bf16":
        raise CannotRunError(f"OpenVINO takes {taken} on this processor, not bf16")
    return compiled


def _quantised() -> Path:
    """Made once, in a process of its own."""
    made = cached("openvino-int8.xml")
    if not made.exists():
        run("openvino_int8", exported(), default_model().directory, made, python_of=OPENVINO)
    return made
