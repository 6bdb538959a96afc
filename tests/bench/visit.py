"""One round's visit to one service: start, warm up, closed loops, open loop, memory, stop."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Self

from tests.bench.asked import Requests
from tests.bench.figures import Figures, Visit, figures, knee_per_s
from tests.bench.peers import Peer
from tests.bench.plan import Case, Plan
from tests.kit.arithmetic import core_peaks
from tests.kit.generator import Load, Pace, closed_loop
from tests.kit.open_loop import gives_way, open_loop
from tests.kit.service import Service, ServiceFailedError
from tests.kit.session import free_port
from tests.report.screen import Screen

LOADED_S = 60.0
WARM_CLIENTS = 20
OFFERED = "short"


class SameAsBeforeError(Exception):
    """This configuration resolves to one that is measured already."""


class Visitor:
    """Visits services, round after round, and keeps what it sees."""

    def __init__(self, plan: Plan, requests: Requests, screen: Screen) -> None:
        self.plan = plan
        self.requests = requests
        self.peaks: dict[str, dict[str, float]] = {}
        """GFLOP/s of a core by path and precision, as measured in this round."""
        self.figures: list[Figures] = []
        self.visits: list[Visit] = []
        self._screen = screen
        self._rates: dict[str, list[float]] = {}
        self._keys: dict[str, str] = {}

    def visit(self, peer: Peer, round_number: int) -> None:
        """Measure one service. Raises ServiceFailedError, SameAsBeforeError."""
        if why := peer.why_missing():
            raise ServiceFailedError(why)
        if cases := self.plan.cases_of(peer, round_number):
            with tempfile.TemporaryDirectory() as folder, Stay(self, peer, Path(folder) / "log") as stay:
                self.visits.append(stay.measure(cases))

    def note(self, load: Load, peer: Peer, case: str, mode: str, lengths: str, offered: float) -> Figures:
        """Keep the figures of a load, and show them."""
        one = figures(
            load, service=peer.name, case=case, mode=mode, lengths=lengths, offered=offered,
            precision=peer.precision, peak=self.peaks.get(peer.isa, core_peaks(self.peaks)).get(peer.precision),
        )  # fmt: skip
        self.figures.append(one)
        self._screen.result(one)
        return one

    def rates(self, peer: Peer) -> list[float]:
        """Those of the open loop: from what the service gave in the first round, and the same in all rounds."""
        if peer.name not in self._rates:
            mine = [
                one for one in self.figures if (one.service, one.mode, one.lengths) == (peer.name, "closed", OFFERED)
            ]
            capacity = max((one.requests_per_s for one in mine), default=0.0)
            self._rates[peer.name] = [float(f"{part * capacity:.2g}") for part in self.plan.rates_of(peer)]
        return [rate for rate in self._rates[peer.name] if rate > 0]

    def identify(self, peer: Peer, service: Service) -> Peer:
        """The peer by what it says that it is. Raises SameAsBeforeError, ServiceFailedError."""
        if not peer.has_info:
            return peer
        status, body = service.get("/info")
        if status != 200:
            raise ServiceFailedError(f"GET /info answered {status}")
        info = json.loads(body)
        name = " ".join(filter(None, (f"{peer.name}, {info['engine']}", info["precision"], info["isa"])))
        if self._keys.setdefault(name, peer.key) != peer.key:
            raise SameAsBeforeError(f"{peer.environ} is what {name!r} is already")
        return replace(peer, name=name, engine=info["engine"], precision=info["precision"], isa=info["isa"])


class Stay:
    """A service that runs, and what is done with it; stopped when the stay is over, however it ends."""

    def __init__(self, visitor: Visitor, peer: Peer, log: Path) -> None:
        self._visitor = visitor
        self._plan = visitor.plan
        self._peer = peer
        self._log = log

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._service.stop()

    def measure(self, cases: list[Case]) -> Visit:
        """The cases in their order, the open loop before those of one round alone."""
        service = self._service
        ready_s = service.wait_until_ready(self._peer.ready_path)
        service.wait_until_idle(LOADED_S)
        idle_s = service.age_s
        self._peer = self._visitor.identify(self._peer, service)
        self._warm_up()
        for case in [case for case in cases if not case.is_once]:
            self._closed(case)
        pss_mb = self._service.pss_mb()
        knee, gave_way = self._rise()
        pss_mb = max(pss_mb, self._service.pss_mb())
        for case in [case for case in cases if case.is_once]:
            self._closed(case)
        peer = self._peer
        return Visit(peer.name, peer.precision, peer.engine, ready_s, idle_s, pss_mb, knee, gave_way)

    def _start(self) -> None:
        port = free_port()
        environ = {"HOST": "127.0.0.1", "PORT": str(port)} | self._peer.environ
        self._service = Service(self._peer.command(port), environ, self._peer.folder, self._log, port)
        self._requests = self._visitor.requests.for_peer(self._peer, port)

    def _rest(self) -> None:
        """A service that is still at work for clients that are gone would be slow to the next: it is started anew."""
        if self._service.wait_until_idle(self._plan.idle_s):
            return
        self._service.stop()
        self._start()
        self._service.wait_until_ready(self._peer.ready_path)
        self._service.wait_until_idle(LOADED_S)
        self._warm_up()

    def _warm_up(self) -> None:
        pace = Pace(0.0, self._plan.warm_s)
        closed_loop(self._service.port, self._requests["mixed"], WARM_CLIENTS, pace)
        self._service.wait_until_idle(self._plan.idle_s)

    def _closed(self, case: Case) -> None:
        load = closed_loop(
            self._service.port, self._requests[case.lengths], case.clients, case.pace, self._service.cpu_s
        )
        self._visitor.note(load, self._peer, case.name, "closed", case.lengths, case.clients)
        self._rest()

    def _rise(self) -> tuple[float | None, bool]:
        """Rates from low to high until the service gives way: the knee, in requests/s, and whether it was reached."""
        steps: list[Figures] = []
        for rate in self._visitor.rates(self._peer):
            load = open_loop(
                self._service.port, self._requests[OFFERED], rate, self._plan.rate_pace, self._service.cpu_s
            )
            case = f"{OFFERED}, {rate:g} offered/s"
            steps.append(self._visitor.note(load, self._peer, case, "open", OFFERED, rate))
            self._rest()
            if gives_way(rate, steps[-1].requests_per_s, steps[-1].p99_ms):
                return knee_per_s(steps), True
        return knee_per_s(steps), False
