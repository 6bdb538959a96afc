"""How much memory a process costs, as Linux accounts for it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from .board import MASTER, Board

# The kernel walks all pages of a process for it: 2.5 ms of each of eleven.
FRESH_MS = 15_000
# After this it does not measure itself: another server forked it.
LATE_MS = 2 * FRESH_MS


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
    """What the master and each slot's worker cost, whichever worker asks; of one that cannot be read there is nothing.

    All measure themselves, so that the page does not wait for eleven of them.
    """
    now_ms = _now_ms()
    sizes = {}
    for place, pid in {MASTER: os.getppid(), **board.pids()}.items():
        if board.sizes.age_ms(place, now_ms) > LATE_MS:
            _measure(board, place, pid, now_ms)
        pss_bytes, private_bytes = board.sizes.read(place)
        if pss_bytes:
            sizes["master" if place == MASTER else str(place)] = Memory(pss_bytes, private_bytes)
    return sizes


def tell_own(board: Board, slot: int) -> None:
    """In a worker, once a second or so: what it costs, if that was some time ago."""
    now_ms = _now_ms()
    if board.sizes.age_ms(slot, now_ms) > FRESH_MS:
        _measure(board, slot, os.getpid(), now_ms)


def tell_of_master(board: Board) -> None:
    """In the master, once a second or so: what it costs, if that was some time ago; and those that cannot tell.

    A process that has given up root (gunicorn's -u) may not read what stands in /proc of itself.
    """
    now_ms = _now_ms()
    if board.sizes.age_ms(MASTER, now_ms) > FRESH_MS:
        silent = {slot: pid for slot, pid in board.pids().items() if board.sizes.age_ms(slot, now_ms) > FRESH_MS}
        for place, pid in {MASTER: os.getpid(), **silent}.items():
            _measure(board, place, pid, now_ms)


def _measure(board: Board, place: int, pid: int, now_ms: int) -> None:
    if found := of_process(pid):
        board.sizes.write(place, now_ms, found.pss_bytes, found.private_bytes)


def _now_ms() -> int:
    return int(time.monotonic() * 1000)
