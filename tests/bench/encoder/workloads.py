"""What every engine computes: the same real texts, as text and as ids."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.bench.encoder.plan import Plan
from tests.kit.texts import SPECIAL_TOKENS, Text, Writer


@dataclass(frozen=True)
class Workload:
    """Texts of one length, given to an engine at once."""

    name: str
    texts: tuple[str, ...]
    """None where there is no text so short."""
    ids: np.ndarray
    """int64, shape (texts, tokens)."""

    @property
    def count(self) -> int:
        return int(self.ids.shape[0])

    @property
    def tokens(self) -> int:
        """Of one text."""
        return int(self.ids.shape[1])


def workloads(model: Path, plan: Plan, positions: int) -> list[Workload]:
    """Those of the plan that a model with so many positions can take."""
    writer = Writer(model)
    wanted = [(1, tokens) for tokens in plan.lengths] + list(plan.packs)
    return [_workload(writer, count, tokens) for count, tokens in wanted if tokens <= positions]


def _workload(writer: Writer, count: int, tokens: int) -> Workload:
    name = str(tokens) if count == 1 else f"{count}×{tokens}"
    written: list[Text] = [writer.write(max(tokens, SPECIAL_TOKENS + 1)) for _ in range(count)]
    ids = np.array([writer.ids(one.text)[:tokens] for one in written], np.int64)
    return Workload(name, tuple(one.text for one in written) if tokens > SPECIAL_TOKENS else (), ids)
