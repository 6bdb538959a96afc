"""Whose numbers this process moves: a slot's, the master's, nobody's, or none that others see.

In a fleet each worker moves numbers of its own, in memory that all of them read (series.py), by its slot, not its
process: a successor goes on with its predecessor's, so that no counter falls. The master has the last row.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import prometheus_client.values
import structlog
from prometheus_client import disable_created_metrics
from prometheus_client.values import MutexValue

from .series import SharedValue, Store, value_class

log = structlog.get_logger("serve-bert")

# Numbers of many processes carry no creation times, so a single process shows none either: one page, one set of series.
disable_created_metrics()  # type: ignore[no-untyped-call]
# Not those that a PROMETHEUS_MULTIPROC_DIR of somebody else's asks for.
prometheus_client.values.ValueClass = MutexValue
_values: type[SharedValue] | None = None


def keep_in(store: Store) -> type[SharedValue]:
    """Have all numbers kept there: in the master's row, until `join` says otherwise."""
    global _values  # noqa: PLW0603 - as with board.join
    if not _values or _values.store is not store:
        _values = value_class(store, store.size - 1)
        prometheus_client.values.ValueClass = _values
    return _values


def kept_in() -> Store | None:
    """Where the numbers of all processes are; None in a process that no fleet of ours forked."""
    return _values.store if _values else None


def join(store: Store, slot: int) -> None:
    """Move this slot's numbers from now on. Call it in the worker, right after the fork."""
    values = keep_in(store)
    if slot < store.size - 1:
        values.numbers = store.row(slot)
    else:
        values.numbers = store.nobodys_row()
        log.warning("this worker's requests are not counted: the fleet is larger than at its start", slot=slot)


@contextmanager
def unseen() -> Iterator[None]:
    """What is moved meanwhile, nobody reads."""
    if not _values:
        yield
        return
    before, _values.numbers = _values.numbers, _values.store.nobodys_row()
    try:
        yield
    finally:
        _values.numbers = before
