"""Ten seconds of this machine: what a request costs with every core at work."""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError, MeasuringError
from . import texts
from .clients import Clients, Seen
from .fleet import Fleet
from .queueing import of_ordered

WARM_S, FULL_S, HALF_S = 0.8, 4.2, 4.2
HALF = 0.5
OK = 200
TEXTS = 16
# So that none of the workers ever waits for somebody to ask.
CLIENTS_A_WORKER = 2
MEMORY = re.compile(r'^bert_worker_(pss|private)_bytes\{slot="(\w+)"\} (\S+)$', re.MULTILINE)
LOOKED_UP = {"words", "position", "type"}
"""Tables of the packed file of which a request reads a row a token, and not all (native/layout.py)."""


@dataclass(frozen=True)
class Measured:
    """One machine, one length."""

    model: str
    engine: str
    precision: str
    isa: str
    tokens: int
    cores: int
    """That took part, with a worker each."""
    requests_per_s: float
    """Of one core that is wholly the service's."""
    cpu_ms: float
    """Processor time of a request with every core at work, all in all."""
    forward_ms: float
    """What of that is the model's, in the mean."""
    had: float
    """The part of the cores' time that the fleet had with every core at work; the clients have a tenth or so."""
    service_ms: tuple[float, ...]
    """How long a worker was at each of the requests, without waiting, at half of that load: more, for a core that idles
    wakes up, and finds less in its caches."""
    shared_bytes: int
    """Memory of a fleet less what each worker has of its own."""
    worker_bytes: int
    """What each worker has of its own."""
    request_bytes: int
    answer_bytes: int
    weights_bytes: int | None
    """That a request reads of the packed file; None on the other engine, or where it lies in no file."""

    def memory_bytes(self, workers: int) -> int:
        """Of a fleet of so many."""
        return self.shared_bytes + workers * self.worker_bytes

    def service_at_ms(self, busy: float) -> list[float]:
        """The same at another load, a share of the cores' time: half and all were measured, the rest lies between."""
        part = min(max((busy - HALF) / (1 - HALF), 0.0), 1.0)
        half_ms = statistics.fmean(self.service_ms)
        mean_ms = half_ms + part * (self.cpu_ms - half_ms)
        return [one * mean_ms / half_ms for one in self.service_ms]

    @property
    def alone_p99_ms(self) -> float:
        """Of a request that waits for no other, at half of the load."""
        return of_ordered(sorted(self.service_ms), 99)

    def told(self) -> dict[str, Any]:
        """For a program: all but each request's own time."""
        found = asdict(self) | {"alone_p99_ms": self.alone_p99_ms}
        del found["service_ms"]
        return found


def measure(flags: Mapping[str, str], cores: int, tokens: int) -> Measured:
    """Start a fleet, let it work for ten seconds, end it. Raises ConfigurationError, MeasuringError."""
    with Fleet(flags, cores) as fleet:
        requests = _requests(fleet, tokens)
        full, cpu_s = _seen(fleet, Clients(CLIENTS_A_WORKER * cores, fleet.port, requests), FULL_S)
        per_s = len(full) / cpu_s
        half, half_cpu_s = _seen(
            fleet, Clients(CLIENTS_A_WORKER * cores, fleet.port, requests, HALF * cores * per_s), HALF_S
        )
        shared_bytes, worker_bytes = _memory(fleet)
        boot = fleet.boot
    return Measured(
        model=boot["model"],
        engine=boot["engine"],
        precision=boot["precision"],
        isa=boot.get("isa", ""),
        tokens=tokens,
        cores=cores,
        requests_per_s=per_s,
        cpu_ms=1e3 / per_s,
        forward_ms=_forward_ms(full, cpu_s),
        had=cpu_s / (cores * FULL_S),
        service_ms=_service_ms(half, half_cpu_s),
        shared_bytes=shared_bytes,
        worker_bytes=worker_bytes,
        request_bytes=max(map(len, requests)),
        answer_bytes=max(one.answer_bytes for one in full),
        weights_bytes=_weights_bytes(boot),
    )


def _seen(fleet: Fleet, clients: Clients, window_s: float) -> tuple[list[Seen], float]:
    """What was answered in a window after a while, and the fleet's processor time in it. Raises MeasuringError."""
    with closing(clients):
        fleet.read_log(time.monotonic() + WARM_S)
        began_s, cpu_s = time.monotonic(), fleet.cpu_s()
        fleet.read_log(began_s + window_s)
        ended_s, cpu_s = time.monotonic(), fleet.cpu_s() - cpu_s
        seen = [one for one in clients.stop() if began_s <= one.finished_s <= ended_s]
    if not seen or any(one.status != OK for one in seen):
        raise MeasuringError(f"the fleet answered {sorted({one.status for one in seen}) or 'nothing'}")
    return seen, cpu_s


def _requests(fleet: Fleet, tokens: int) -> list[bytes]:
    """POST /predict, byte for byte, with texts of that length. Raises ConfigurationError."""
    most = int(json.loads(fleet.get("/info"))["max_tokens"])
    if tokens > most:
        raise ConfigurationError(f"--tokens {tokens}: the model takes {most} at most, and cuts what is longer")

    def count(wanted: list[str]) -> list[int]:
        return [len(one) for one in json.loads(fleet.get("/tokenize", {"inputs": wanted}))]

    try:
        found = texts.written(TEXTS, tokens, count)
    except ValueError as error:
        raise ConfigurationError(f"--tokens {tokens}: {error}, special ones included") from None
    bodies = [json.dumps({"text": text}).encode() for text in found]
    head = (
        "POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    )
    return [head.format(fleet.port, len(body)).encode() + body for body in bodies]


def _forward_ms(seen: list[Seen], cpu_s: float) -> float:
    """Processor time: the part of it that the forward has of the time that workers were at requests."""
    at_work_ms = max(cpu_s * 1e3, sum(one.worker_ms for one in seen))
    return cpu_s * 1e3 / len(seen) * sum(one.forward_ms for one in seen) / at_work_ms


def _service_ms(seen: list[Seen], cpu_s: float) -> tuple[float, ...]:
    """As the answers tell, and what a worker has to do before and after that: what is missing to its processor time."""
    rest_ms = max(0.0, (cpu_s * 1e3 - sum(one.worker_ms for one in seen)) / len(seen))
    return tuple(one.worker_ms + rest_ms for one in seen)


def _memory(fleet: Fleet) -> tuple[int, int]:
    """Bytes in common, and of each worker, after the load."""
    page = fleet.get("/metrics").decode()
    found = {(kind, slot): float(value) for kind, slot, value in MEMORY.findall(page)}
    own = [value for (kind, slot), value in found.items() if kind == "private" and slot != "master"]
    whole = sum(value for (kind, _), value in found.items() if kind == "pss")
    return int(whole - sum(own)), int(statistics.fmean(own))


def _weights_bytes(boot: Mapping[str, Any]) -> int | None:
    path = Path(str(boot.get("packed", "")))
    if not path.is_file():
        return None
    with path.open("rb") as file:
        tensors = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    places = [one["data_offsets"] for name, one in tensors.items() if name not in {"__metadata__", *LOOKED_UP}]
    return sum(int(end) - int(begin) for begin, end in places)
