"""ONNX Runtime in process, float32, all cores, no HTTP. `… ONNX MODEL TEXTS WINDOW_S`; prints JSON lines.

TEXTS is a JSON file of {kind: [[text, …], …]}, the texts of each request. Both ways of using the cores are measured: a
thread a core that each compute alone, and one caller whose every product is shared out among the cores.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

Encode = Callable[[list[str]], np.ndarray]
CORES = len(os.sched_getaffinity(0))
WAYS = {"a thread a core": (CORES, 1), "one caller, all cores": (1, CORES)}


def encoder(onnx: Path, model: Path, intra_threads: int) -> Encode:
    """A function from texts to vectors: tokenize, run, mean over the tokens, length 1."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = intra_threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(onnx), options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()

    def encode(texts: list[str]) -> np.ndarray:
        encodings = tokenizer.encode_batch(texts)
        ids = np.array([one.ids for one in encodings])
        mask = np.array([one.attention_mask for one in encodings])
        tokens = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        weights = mask[:, :, None].astype(np.float32)
        vectors = (tokens * weights).sum(axis=1) / weights.sum(axis=1)
        unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    return encode


def drive(encode: Encode, requests: list[list[str]], callers: int, window_s: float) -> dict[str, Any]:
    """Callers that each take the next request when they have an answer: calls as (index, seconds), CPU, time."""
    todo = cycle(range(len(requests)))
    calls: list[tuple[int, float]] = []
    begin_s, cpu_s = time.perf_counter(), time.process_time()

    def call() -> None:
        while (began_s := time.perf_counter()) < begin_s + window_s:
            index = next(todo)
            encode(requests[index])
            calls.append((index, time.perf_counter() - began_s))

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took_s = time.perf_counter() - begin_s
    return {"calls": calls, "window_s": took_s, "cpu_s": time.process_time() - cpu_s}


def pss_mb() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024


def main() -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    onnx, model, texts, window_s = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
    kinds = json.loads(texts.read_text(encoding="utf-8"))
    for way, (callers, intra_threads) in WAYS.items():
        encode = encoder(onnx, model, intra_threads)
        vector = encode(next(iter(kinds.values()))[0])[0]
        print(json.dumps({"ready_s": time.monotonic(), "vector": vector.tolist()}), flush=True)
        for kind, requests in kinds.items():
            drive(encode, requests, callers, window_s / 4)
            print(json.dumps({"kind": kind, "way": way, **drive(encode, requests, callers, window_s)}), flush=True)
        print(json.dumps({"pss_mb": pss_mb()}), flush=True)
        del encode


if __name__ == "__main__":
    main()
