"""The processor cores that this process may really use: its affinity, and the quota of its control groups."""

from __future__ import annotations

import os
from pathlib import Path


def by_affinity() -> int:
    """Cores that the scheduler may put this process on."""
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # another system, or a sandbox that refuses the call
        return os.cpu_count() or 1


def by_cgroup(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float | None:
    """Cores' worth of time that the tightest control group above this process allows; None without a quota."""
    try:
        lines = own.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    quotas = [quota for line in lines for quota in _quotas(root, line)]
    return min(quotas, default=None)


def usable() -> int:
    """Processes that can compute at the same time: whole cores, at least one."""
    quota = by_cgroup()
    return max(1, min(by_affinity(), by_affinity() if quota is None else int(quota)))


def _quotas(root: Path, line: str) -> list[float]:
    """The quotas along one line of /proc/self/cgroup: "0::/path" (version 2) or "4:cpu,cpuacct:/path" (version 1)."""
    _, controllers, path = line.split(":", 2)
    if not controllers:
        folder, read = root, _version_2
    elif "cpu" in controllers.split(","):
        folder, read = root / controllers, _version_1
    else:
        return []
    parts = Path(path.lstrip("/")).parts
    folders = [folder.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
    return [quota for quota in map(read, folders) if quota is not None]


def _version_2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _version_1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        return None if quota < 0 else quota / int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
    except (OSError, ValueError, ZeroDivisionError):
        return None
