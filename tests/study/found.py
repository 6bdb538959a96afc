"""Everything that a run found, and what it must not leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.report.setting import Setting
from tests.study import tables
from tests.study.cells import Visit
from tests.study.columns import Column
from tests.study.pairs import Paired
from tests.study.plan import Plan
from tests.study.replacing import Outcome


@dataclass(frozen=True, kw_only=True)
class Found(Setting):
    """Everything that a run found."""

    plan: Plan
    visits: list[Visit]
    replaced: dict[str, Outcome]
    lock_us: dict[str, float]
    paired: list[Paired]
    left_out: dict[str, str]


def faults(found: Found, columns: Sequence[Column]) -> list[str]:
    """What a run must not leave: a configuration unmeasured, a request of ours lost, a row without a figure."""
    ours = {column.name for column in columns if column.is_ours}
    cells = [(visit.column, kind, cell) for visit in found.visits for kind, cell in visit.cells.items()]
    lost = [f"{name}, {kind}: {cell.errors}" for name, kind, cell in cells if cell.failed and name in ours]
    lost += [
        f"{visit.column}, {step.clients} clients: {step.errors}"
        for visit in found.visits
        for step in visit.steps
        if step.errors and visit.column in ours
    ]
    lost += [f"side by side, {one.name}: {one.failed} failed" for one in found.paired if one.failed]
    empty = [
        f"{name}, {kind}: no {row}"
        for name, kind, cell in cells
        for row, read in (tables.LOAD | tables.COSTS).items()
        if read(cell) is None
    ]
    mixed = [
        f"{name}, replaced: {dict(one.failed)} failed, {one.mixed} mixed, {len(one.answers)} models seen"
        for name, one in found.replaced.items()
        if one.failed or one.mixed or len(one.answers) < 2
    ]
    return [*_missing(found, columns), *lost, *empty, *mixed]


def _missing(found: Found, columns: Sequence[Column]) -> list[str]:
    seen = {visit.column for visit in found.visits}
    unseen = [f"{one.name} was not measured" for one in columns if one.name not in seen]
    replaced = [one.name for one in columns if found.plan.is_replaced(one)]
    return unseen + [f"{name}: the model was not replaced" for name in replaced if name not in found.replaced]
