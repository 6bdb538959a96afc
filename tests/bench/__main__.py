"""Run the bench: `python -m tests.bench [--rounds N] [--only KEY …]`, or QUICK=1 in the environment."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from tests.bench import onnx_ceiling, outcome
from tests.bench.asked import Requests
from tests.bench.figures import median, median_visits, medians
from tests.bench.peers import Peer, all_peers
from tests.bench.plan import FULL, QUICK, Plan
from tests.bench.visit import SameAsBeforeError, Visitor
from tests.kit import machine
from tests.kit.arithmetic import core_peaks, path_peaks_gflops
from tests.kit.places import RESULTS
from tests.kit.process import PAGE_WIDTH, is_quick, prepare_process
from tests.kit.service import ServiceFailedError
from tests.report.screen import Screen

PEAK_S = 0.05


class Run:
    """All rounds, and what they left."""

    def __init__(self, plan: Plan, peers: list[Peer], visitor: Visitor, screen: Screen, *, with_ceiling: bool) -> None:
        self._plan = plan
        self._peers = peers
        self._visitor = visitor
        self._screen = screen
        self._with_ceiling = with_ceiling
        self._planned_s = 0.0
        self.left_out: dict[str, str] = {}
        self.peaks: dict[str, list[float]] = {}

    def rounds(self) -> None:
        """Each round visits every service once, so that a drift of the machine meets all alike."""
        for number in range(1, self._plan.rounds + 1):
            self._visitor.peaks = path_peaks_gflops(PEAK_S)
            for precision, gflops in core_peaks(self._visitor.peaks).items():
                self.peaks.setdefault(precision, []).append(gflops)
            for peer in self._peers:
                self._visit(peer, number)
            if self._with_ceiling:
                self._ceiling(number)

    def _visit(self, peer: Peer, number: int) -> None:
        label = " ".join([peer.name, *(f"{name}={value}" for name, value in peer.environ.items() if "BERT" in name)])
        if label not in self.left_out:
            self._screen.doing(f"round {number} of {self._plan.rounds}: {label}", self._planned_s)
            try:
                self._visitor.visit(peer, number)
            except (SameAsBeforeError, ServiceFailedError) as error:
                self._leave_out(label, str(error))
        self._planned_s += self._plan.visit_s(peer, number)

    def _ceiling(self, number: int) -> None:
        name = onnx_ceiling.NAME
        if name in self.left_out:
            return
        self._screen.doing(f"round {number} of {self._plan.rounds}: {name}", self._planned_s)
        kinds = self._plan.kinds
        requests, peak = self._visitor.requests, core_peaks(self._visitor.peaks).get("float32")
        try:
            found, visit = onnx_ceiling.measure(
                requests.unsent(kinds), requests.texts(kinds), self._plan.in_process_s, peak
            )
        except onnx_ceiling.CeilingFailedError as error:
            self._leave_out(name, str(error))
            return
        self._visitor.figures += found
        self._visitor.visits.append(visit)
        for one in found:
            self._screen.result(one)

    def _leave_out(self, label: str, why: str) -> None:
        self.left_out[label] = why
        self._screen.say(f"{label} is left out: {why}")


def main() -> int:
    arguments = _arguments()
    if arguments.prepare:
        Requests()
        onnx_ceiling.exported()
        return 0
    plan = QUICK if is_quick() else FULL
    plan = replace(plan, rounds=arguments.rounds or plan.rounds)
    only = arguments.only
    peers = [peer for peer in all_peers() if peer.key in only] if only else plan.peers_of(all_peers())
    prepare_process()
    console = Console(width=None if sys.stdout.isatty() else PAGE_WIDTH)
    began, facts, expected_s = datetime.now(UTC), machine.machine_facts(), plan.expected_s(peers)
    console.print(
        f"{len(peers)} services, {plan.rounds} round(s): about {expected_s / 60:.0f} minutes.", highlight=False
    )
    with Screen(console, expected_s) as screen:
        screen.doing("writing the texts and their vectors", 0)
        visitor = Visitor(plan, Requests(), screen)
        run = Run(plan, peers, visitor, screen, with_ceiling=not only or "onnx" in only)
        run.rounds()
    outcome.publish(_outcome(run, visitor, began, facts), RESULTS / began.strftime("%Y-%m-%dT%H%M%SZ"), console)
    return 0


def _outcome(run: Run, visitor: Visitor, began: datetime, facts: dict[str, Any]) -> outcome.Outcome:
    return outcome.Outcome(
        began=began.isoformat(timespec="seconds"),
        took_s=(datetime.now(UTC) - began).total_seconds(),
        machine=facts,
        software=machine.software_facts(),
        plan=visitor.plan,
        peaks_gflops={precision: median(values) for precision, values in run.peaks.items()},
        figures=medians(visitor.figures),
        visits=median_visits(visitor.visits),
        left_out=run.left_out,
        every_figure=visitor.figures,
        every_visit=visitor.visits,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    keys = [peer.key for peer in all_peers()] + ["onnx"]
    parser.add_argument("--only", nargs="+", choices=keys, default=[], help="these alone")
    parser.add_argument("--prepare", action="store_true", help="fill the cache and measure nothing")
    parser.add_argument("--rounds", type=int, default=0, help="instead of the plan's")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped; no service is left running")
