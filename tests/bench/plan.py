"""What is measured and for how long: the full run, and the quick one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.peers import Peer, Scope
from tests.kit.generator import Pace

STOP_S = 2
EVERYONE: tuple[Scope, ...] = ("all", "variant", "slow")


@dataclass(frozen=True)
class Case:
    """A closed loop."""

    lengths: str
    clients: int
    pace: Pace
    is_once: bool = False
    """In the first round alone: a thousand clients of a slow service wait half a minute each."""
    scopes: tuple[Scope, ...] = ("all",)
    """The peers that get it."""

    @property
    def name(self) -> str:
        return f"{self.lengths}, {self.clients} client{'s' * (self.clients > 1)}"

    @property
    def expected_s(self) -> float:
        return self.pace.window_s + 0.7 * self.pace.warm_s + 1.0


@dataclass(frozen=True)
class Plan:
    rounds: int
    cases: tuple[Case, ...]
    rates: tuple[float, ...]
    """Of the open loop, in parts of the most that the service gave in a closed one."""
    rate_pace: Pace
    warm_s: float
    start_s: float
    """What a start takes, for the estimate."""
    idle_s: float
    """How long a service may take to come to rest before it is started anew."""
    in_process_s: float
    is_quick: bool = False

    def cases_of(self, peer: Peer, round_number: int) -> list[Case]:
        """Those that a peer gets in a round, counted from 1."""
        if round_number == 1:
            return [case for case in self.cases if peer.scope in case.scopes]
        return [case for case in self.cases if peer.scope in case.scopes and not case.is_once and peer.scope != "slow"]

    def rates_of(self, peer: Peer) -> tuple[float, ...]:
        """The open loop's: for those that get all."""
        return self.rates if peer.scope == "all" else ()

    def peers_of(self, peers: Sequence[Peer]) -> list[Peer]:
        return [peer for peer in peers if peer.in_quick or not self.is_quick]

    def visit_s(self, peer: Peer, round_number: int) -> float:
        """About how long one visit takes."""
        cases = self.cases_of(peer, round_number)
        if not cases:
            return 0.0
        rate_s = self.rate_pace.warm_s + self.rate_pace.window_s + 0.7
        closed_s = sum(case.expected_s for case in cases)
        return self.start_s + self.warm_s + closed_s + 0.8 * len(self.rates_of(peer)) * rate_s + STOP_S

    def expected_s(self, peers: Sequence[Peer]) -> float:
        """About how long the run takes."""
        visits_s = sum(self.visit_s(peer, number) for peer in peers for number in range(1, self.rounds + 1))
        return visits_s + self.rounds * 3 * len(self.kinds) * self.in_process_s

    @property
    def kinds(self) -> set[str]:
        """The kinds of requests that it sends."""
        return {case.lengths for case in self.cases}


QUICK = Plan(
    rounds=1,
    cases=(
        Case("short", 10, Pace(0.7, 2), scopes=EVERYONE),
        Case("short", 100, Pace(2, 2.5), scopes=EVERYONE),
        Case("long", 10, Pace(1.2, 2.5), scopes=EVERYONE),
    ),
    rates=(0.5, 0.8, 1.1),
    rate_pace=Pace(0.5, 1.5),
    warm_s=1,
    start_s=12,
    idle_s=5,
    in_process_s=0.8,
    is_quick=True,
)

FULL = Plan(
    rounds=3,
    cases=(
        Case("short", 1, Pace(0.5, 2.5), scopes=EVERYONE),
        Case("short", 10, Pace(1, 3), scopes=EVERYONE),
        Case("short", 100, Pace(3, 4), scopes=("all", "variant")),
        Case("long", 1, Pace(0.5, 2.5)),
        Case("long", 10, Pace(2, 4), scopes=EVERYONE),
        Case("long", 100, Pace(7, 5)),
        Case("mixed", 1, Pace(0.5, 2.5)),
        Case("mixed", 10, Pace(1, 3)),
        Case("mixed", 100, Pace(4, 4)),
        Case("batch", 10, Pace(5, 6), scopes=("all", "variant")),
        Case("short", 1000, Pace(15, 8), is_once=True),
        Case("mixed", 1000, Pace(20, 8), is_once=True),
        Case("long", 1000, Pace(25, 10), is_once=True),
    ),
    rates=(0.5, 0.65, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5),
    rate_pace=Pace(0.7, 3),
    warm_s=2,
    start_s=12,
    idle_s=15,
    in_process_s=2,
)
