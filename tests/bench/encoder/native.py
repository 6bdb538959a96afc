"""Our own kernel, on every path that this processor runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from app.encoder import Checkpoint, Plan, plan
from app.encoder.native import library
from app.encoder.native.forward import CALL_TOKENS, Forward, LaidOut
from app.encoder.native.structs import Weights
from app.encoder.native.tensorfile import TensorFile
from tests.bench.encoder.contender import Call, CannotRunError, Contender
from tests.bench.encoder.workloads import Workload
from tests.kit.texts import SHORT_TOKENS


def name_of(path: str) -> str:
    """What a path is called in the tables."""
    return f"native {path}"


def paths(precision: str) -> list[str]:
    """Those that compute differently. Raises CannotRunError if there is no kernel."""
    try:
        found = list(library.paths())
    except library.UnavailableError as error:
        raise CannotRunError(str(error)) from None
    return [path for path in found if library.same_code(path, precision) == path]


def planned(checkpoint: Checkpoint, precision: str, path: str) -> Plan:
    """As the service would run it; the packed file is the service's too."""
    return plan(checkpoint, engine="native", precision=precision, isa=path)


def auto_path(checkpoint: Checkpoint, precision: str) -> str:
    """The path that the service takes in this precision. Raises CannotRunError if it takes another engine."""
    prepared = planned(checkpoint, precision, "auto").native
    if prepared is None:
        raise CannotRunError("the plan names another engine")
    return prepared.isa


def contenders(checkpoint: Checkpoint, precision: str, positions: int) -> Iterator[Contender]:
    """All paths in one precision, on the same mapped weights, for texts up to the model's positions."""
    names = paths(precision)
    prepared = planned(checkpoint, precision, names[-1]).native
    if prepared is None:
        raise CannotRunError("the plan names another engine")
    architecture = prepared.architecture
    weights = Weights(TensorFile(prepared.packed.descriptor), architecture, precision)
    for path in names:
        yield _contender(Forward(weights, path, architecture.poolings, positions), path, precision)


def _contender(forward: Forward, path: str, precision: str) -> Contender:
    is_plain = path in library.PLAIN_PATHS.values()

    def prepare(workload: Workload) -> Call | None:
        if is_plain and workload.name != str(SHORT_TOKENS):
            return None
        calls = laid_out(workload)
        return lambda: np.concatenate([forward.vectors(*call) for call in calls])

    def stages_s(workload: Workload) -> dict[str, float]:
        parts = [forward.stage_seconds(*call) for call in laid_out(workload)]
        return {stage: sum(part[stage] for part in parts) for stage in library.STAGES}

    return Contender(name_of(path), precision, prepare, stages_s, is_slow=is_plain)


def laid_out(workload: Workload) -> list[LaidOut]:
    """The calls of the kernel that the engine would make: texts end to end, as many as CALL_TOKENS hold."""
    a_call = max(1, CALL_TOKENS // workload.tokens)
    edges = [*range(0, workload.count, a_call), workload.count]
    return [_call(workload.ids[begin:end].astype(np.int32)) for begin, end in pairwise(edges)]


def _call(ids: np.ndarray) -> LaidOut:
    count, tokens = ids.shape
    flat = np.ascontiguousarray(ids).reshape(-1)
    return flat, np.zeros_like(flat), np.arange(count + 1, dtype=np.int32) * np.int32(tokens)
