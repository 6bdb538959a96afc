"""What a fleet's processes use, as Linux accounts for it, under the names that Prometheus' libraries give one's."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import Counter
from prometheus_client.core import GaugeMetricFamily, Metric

from ..board import Board

TICKS = os.sysconf("SC_CLK_TCK")
# Of /proc/PID/stat behind the name.
USER_TIME, SYSTEM_TIME, STARTED = 11, 12, 19


class ProcessorTime:
    """Of a master and of all its children, the dead ones too. The master counts it, so that it is counted once."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._counted_s = 0.0

    def look(self, children: Iterable[int]) -> None:
        """Count what was used since the last time; `children`: those that live."""
        own = os.times()
        used_s = own.user + own.system + own.children_user + own.children_system + sum(map(cpu_of_s, children))
        # One that has ended since may be missing for a moment, until it is waited for.
        if used_s > self._counted_s:
            self._counter.inc(used_s - self._counted_s)
            self._counted_s = used_s


def of_fleet(board: Board) -> Iterator[Metric]:
    """Of the master, whose child this is, and of the workers."""
    master_pid = os.getppid()
    most = max(_open_fds(pid) for pid in (master_pid, *board.pids().values()))
    yield GaugeMetricFamily("process_open_fds", "Open file descriptors of the process that has most.", most)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield GaugeMetricFamily("process_max_fds", "Open file descriptors that each may have.", limit)
    if stat := _stat(master_pid):
        up_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(stat[STARTED]) / TICKS
        began_s = round(time.time() - up_s, 2)
        yield GaugeMetricFamily("process_start_time_seconds", "When the master began, since 1970.", began_s)


def cpu_of_s(pid: int) -> float:
    """Seconds of processor time that a process has taken so far; 0 of one that is not there."""
    stat = _stat(pid)
    return (int(stat[USER_TIME]) + int(stat[SYSTEM_TIME])) / TICKS if stat else 0.0


def _stat(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return []


def _open_fds(pid: int) -> int:
    with contextlib.suppress(OSError):
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return 0
