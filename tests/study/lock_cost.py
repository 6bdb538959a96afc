"""What a lock costs where nobody contends: an encoder that does nothing, called behind it as a request does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, cast

from app.encoder import Encoder, guarded
from app.encoder.contract import NO_BOUNDS, Embeddings, ModelInfo
from app.encoder.locking import Kind
from app.encoder.options import DEFAULT

CALLS, TIMES = 20_000, 7
KINDS: tuple[Kind, ...] = ("none", "rwlock", "mutex")


class Idle:
    """Answers at once."""

    info = cast("ModelInfo", None)

    def encode(self, texts: Sequence[str], *_: Any, **__: Any) -> Embeddings:
        return cast("Embeddings", texts)


def lock_us() -> dict[str, float]:
    """By kind of lock, microseconds that a call takes more than without one; the least of some runs."""
    least = dict.fromkeys(KINDS, float("inf"))
    for _ in range(TIMES):
        for kind in KINDS:
            least[kind] = min(least[kind], _run_us(guarded(cast("Encoder", Idle()), kind).encode))
    return {kind: least[kind] - least["none"] for kind in KINDS}


def _run_us(encode: Callable[..., Any]) -> float:
    texts = ["a text"]
    began_s = time.perf_counter()
    for _ in range(CALLS):
        encode(texts, DEFAULT, bounds=NO_BOUNDS)
    return 1e6 * (time.perf_counter() - began_s) / CALLS
