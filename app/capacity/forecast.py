"""From one machine's measurement to a fleet: replicas, what clients wait, memory, and what binds first."""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from pathlib import Path

from ..errors import MeasuringError
from .measured import Measured
from .queueing import latency_ms

# Of a replica's cores, or its network, in the mean: above, a burst or a lost replica is a queue. KEDA scales by it, too
# (config/deploy/kubernetes).
MOST_BUSY = 0.7
# Below, more replicas change nothing for a request.
LEAST_BUSY = 0.01
PERCENT = 99
# A usual network card's, in bytes.
NETWORK_BYTES_PER_S = 125_000_000
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
MEMORY = Path("/proc/meminfo")


@dataclass(frozen=True)
class Forecast:
    """A fleet for a rate."""

    rate_per_s: float
    p99_wanted_ms: float | None
    replicas: int
    cores: int
    """Of a replica, with a worker each."""
    busy: float
    """Of a replica's cores, 0 to 1."""
    p99_ms: float
    memory_bytes: int
    """Of a replica."""
    network_bytes_per_s: float
    """Of a replica, both ways; computed from sizes."""
    weights_bytes_per_s: float | None
    """That a replica's cores read of the weights; computed from sizes."""
    binds_first: str
    """As the rate grows: cores, latency, network; memory if there is too little of it at any rate."""

    @property
    def network_share(self) -> float:
        """Of a card's 1 Gbit/s."""
        return self.network_bytes_per_s / NETWORK_BYTES_PER_S


def forecast(measured: Measured, rate_per_s: float, p99_ms: float | None, cores: int) -> Forecast | None:
    """The smallest fleet of replicas of so many cores; None if a request alone takes longer than it may."""
    found = _replicas(measured, rate_per_s, p99_ms, cores)
    if found is None:
        return None
    replicas, got_ms, least = found
    each_per_s = rate_per_s / replicas
    weights = measured.weights_bytes
    network_bytes_per_s = each_per_s * (measured.request_bytes + measured.answer_bytes)
    memory_bytes = measured.memory_bytes(cores)
    busy = each_per_s / (cores * measured.requests_per_s)
    # Memory does not grow with the rate: it suffices, or it does not.
    fits = memory_bytes * measured.cores / cores < _memory_bytes()
    is_cores = busy > network_bytes_per_s / NETWORK_BYTES_PER_S
    binds = "latency" if replicas > least else "cores" if is_cores else "network"
    return Forecast(
        rate_per_s=rate_per_s,
        p99_wanted_ms=p99_ms,
        replicas=replicas,
        cores=cores,
        busy=busy,
        p99_ms=got_ms,
        memory_bytes=memory_bytes,
        network_bytes_per_s=network_bytes_per_s,
        weights_bytes_per_s=None if weights is None else each_per_s * weights,
        binds_first=binds if fits else "memory",
    )


def last_cache_bytes(folder: Path = CACHES) -> int | None:
    """Of the first core's last cache; None where the system does not tell."""
    found = {}
    for cache in folder.glob("index*"):
        try:
            level, size = ((cache / name).read_text().strip() for name in ("level", "size"))
            found[int(level)] = int(size.removesuffix("K")) * 1024
        except (OSError, ValueError):
            continue
    return found[max(found)] if found else None


def _replicas(measured: Measured, rate_per_s: float, p99_ms: float | None, cores: int) -> tuple[int, float, int] | None:
    """How many, p99 with them, and how many it would be if nobody minded."""
    capacity_per_s = cores * measured.requests_per_s

    def at(replicas: int) -> float:
        each_per_s = rate_per_s / replicas
        return latency_ms(measured.service_at_ms(each_per_s / capacity_per_s), cores, each_per_s, PERCENT)

    network_per_s = NETWORK_BYTES_PER_S / (measured.request_bytes + measured.answer_bytes)
    least = max(1, math.ceil(rate_per_s / (MOST_BUSY * min(capacity_per_s, network_per_s))))
    most = max(least, math.ceil(rate_per_s / (LEAST_BUSY * capacity_per_s)))
    if p99_ms is None or at(least) <= p99_ms:
        return least, at(least), least
    if at(most) > p99_ms:
        return None
    enough = bisect.bisect_left(range(most), -p99_ms, least, key=lambda replicas: -at(replicas))
    return enough, at(enough), least


def _memory_bytes() -> int:
    """This machine's."""
    for line in MEMORY.read_text().splitlines():
        name, _, size = line.partition(":")
        if name == "MemTotal":
            return int(size.split()[0]) * 1024
    raise MeasuringError(f"{MEMORY} does not tell how much memory there is")
