"""ONNX Runtime in process, without HTTP: the most that TEI's CPU path could give on this machine."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.bench.figures import Figures, Visit, figures
from tests.kit.generator import Load, Sample
from tests.kit.places import BENCH, ROOT, cached, default_model
from tests.kit.service import environment
from tests.kit.wire import Request, is_near

NAME = "ONNX Runtime, no HTTP"


class CeilingFailedError(Exception):
    """It could not be exported or run; says why."""


def measure(
    requests: dict[str, list[Request]], texts: dict[str, list[list[str]]], window_s: float, peak: float | None
) -> tuple[list[Figures], Visit]:
    """The better way for each kind of request, and what the process costs. Raises CeilingFailedError."""
    onnx = exported()
    file = cached("onnx-texts.json")
    file.write_text(json.dumps(texts), encoding="utf-8")
    began_s = time.monotonic()
    facts = run("onnx_runtime", onnx, default_model().directory, file, window_s)
    first = next(fact for fact in facts if "vector" in fact)
    if not is_near(first["vector"], next(iter(requests.values()))[0].expected[0]):
        raise CeilingFailedError("the exported model gives other vectors")
    loads = [(fact["kind"], fact["way"], _load(fact, requests[fact["kind"]])) for fact in facts if "kind" in fact]
    best = [max((one for one in loads if one[0] == kind), key=_per_s) for kind in requests]
    found = [
        figures(load, service=NAME, case=f"{kind}, in process", mode="in process", lengths=kind, offered=0,
                precision="float32", peak=peak)
        for kind, _, load in best
    ]  # fmt: skip
    pss_mb = next(fact["pss_mb"] for fact in facts if "pss_mb" in fact)
    ready_s = first["ready_s"] - began_s
    return found, Visit(NAME, "float32", f"onnxruntime, {best[0][1]}", ready_s, ready_s, pss_mb, None)


def exported() -> Path:
    """The model as ONNX: made once."""
    onnx = cached("model.onnx")
    if not onnx.exists():
        run("onnx_export", default_model().directory, onnx)
    return onnx


def exported_int8() -> Path:
    """The same in its eight bits: made once."""
    onnx = cached("model-int8.onnx")
    if not onnx.exists():
        run("onnx_int8", exported(), onnx)
    return onnx


def run(script: str, *arguments: Any, python_of: Path = BENCH) -> list[dict[str, Any]]:
    """The JSON lines that a script of ours prints, in one of the environments. Raises CeilingFailedError."""
    command = [str(python_of / "bin" / "python"), "-m", f"tests.bench.services.{script}", *map(str, arguments)]
    try:
        result = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired as error:
        raise CeilingFailedError(f"{script} took more than {error.timeout:.0f} s") from None
    if result.returncode:
        raise CeilingFailedError((result.stderr.strip().splitlines() or ["it said nothing"])[-1][:300])
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def _load(fact: dict[str, Any], requests: list[Request]) -> Load:
    samples = [Sample(0.0, 0.0, took_s, requests[index], None) for index, took_s in fact["calls"]]
    return Load(fact["window_s"], samples, answered=len(samples), service_cpu_s=fact["cpu_s"])


def _per_s(load: tuple[str, str, Load]) -> float:
    return load[2].answered / load[2].window_s
