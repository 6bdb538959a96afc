"""How much memory a process costs, as Linux accounts for it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from .board import MASTER, Board

# The kernel walks all pages of a process for it: 2.5 ms of each of eleven, while nobody else may change its mappings.
FRESH_MS = 15_000


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of physical memory: `pss_bytes` counts a page that n processes share as 1/n, `private_bytes` not at all."""

    pss_bytes: int
    private_bytes: int


def of_process(pid: int) -> Memory | None:
    """What the process costs now; None if it is gone, is not ours, or this is not Linux."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return None
    kib = {words[0]: int(words[1]) for words in map(str.split, text.splitlines()) if words[-1] == "kB"}
    if "Pss:" not in kib:
        return None
    return Memory(kib["Pss:"] * 1024, (kib["Private_Clean:"] + kib["Private_Dirty:"]) * 1024)


def of_fleet(board: Board) -> dict[str, Memory]:
    """What the master and each slot's worker cost, as it was at most FRESH_MS ago, whichever worker asks.

    Of a worker that cannot be read there is nothing.
    """
    pids = {MASTER: os.getppid(), **board.pids()}
    now_ms = int(time.monotonic() * 1000)
    is_stale = not board.sized_ms or now_ms - board.sized_ms >= FRESH_MS
    if is_stale:
        board.sized_ms = now_ms
    sizes = {}
    for place, pid in pids.items():
        if is_stale or not board.sizes[2 * place]:
            found = of_process(pid) or Memory(0, 0)
            board.sizes[2 * place], board.sizes[2 * place + 1] = found.pss_bytes, found.private_bytes
        sizes["master" if place == MASTER else str(place)] = Memory(*board.sizes[2 * place : 2 * place + 2])
    return {slot: size for slot, size in sizes.items() if size.pss_bytes}
