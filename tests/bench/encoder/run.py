"""The run: prepare, rounds, fidelity, report."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench.encoder import corpus, fidelity, native
from tests.bench.encoder.contender import CannotRunError
from tests.bench.encoder.figures import Timing, Yardsticks, timings
from tests.bench.encoder.lineup import Lineup, gather
from tests.bench.encoder.outcome import Outcome, publish
from tests.bench.encoder.plan import FULL, QUICK, Plan
from tests.bench.encoder.timing import Rounds, Seat, median_peaks, take_seats
from tests.bench.encoder.workloads import Workload, workloads
from tests.kit import machine
from tests.kit.arithmetic import Shape, core_peaks
from tests.kit.places import RESULTS, default_model
from tests.kit.process import is_quick
from tests.report.screen import Screen

PAGE_WIDTH = 160
SHOWN = "22"


def run() -> None:
    """Measure, write and print. Ends here if an engine gives other vectors than the rest."""
    plan = QUICK if is_quick() else FULL
    console = Console(width=None if sys.stdout.isatty() else PAGE_WIDTH)
    began, facts = datetime.now(UTC), machine.machine_facts()
    console.print("Loading every engine and writing the texts.", highlight=False)
    try:
        outcome = _Run(plan, console).outcome(began, facts)
    except CannotRunError as error:
        sys.exit(str(error))
    publish(outcome, RESULTS / f"{began:%Y-%m-%dT%H%M%SZ}-encoder", console)


class _Run:
    """One run's state."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self._plan = plan
        self._console = console
        self._checkpoint = default_model()
        positions = _positions(self._checkpoint.directory)
        self._workloads = workloads(self._checkpoint.directory, plan, positions)
        self._lineup: Lineup = gather(self._checkpoint, positions)
        self._seats: list[Seat] = take_seats(self._lineup.contenders, self._workloads)
        self._rounds = Rounds(plan, self._seats)
        self._texts, self._sources = corpus.collect(plan.texts)
        self._expected_s = self._rounds.expected_s

    def outcome(self, began: datetime, facts: dict[str, Any]) -> Outcome:
        plan, rounds = self._plan, self._rounds
        with Screen(self._console, self._expected_s + plan.fidelity_s) as screen:
            screen.say(f"{len(self._lineup.contenders)} engines, {plan.rounds} rounds, {len(self._texts)} texts")
            self._play(screen)
            compared, differences = self._compare(screen)
        path_peaks = median_peaks(rounds.peaks)
        flop = {workload.name: self._flop(workload) for workload in self._workloads}
        peaks = core_peaks(path_peaks)
        own_peaks = {native.name_of(path): by_precision for path, by_precision in path_peaks.items()}
        yardsticks = Yardsticks(flop, peaks, own_peaks, self._default_paths())
        return Outcome(
            began=began.isoformat(timespec="seconds"),
            took_s=(datetime.now(UTC) - began).total_seconds(),
            machine=facts,
            software=machine.software_facts(),
            plan=plan,
            peaks_gflops=dict(peaks),
            path_peaks_gflops=path_peaks,
            flop=flop,
            timings=sorted(timings(rounds.visits, yardsticks), key=self._place),
            cosines=self._cosines(),
            sources=self._sources,
            fidelity=compared,
            path_differences=differences,
            left_out=self._lineup.left_out,
            visits=rounds.visits,
        )

    def _play(self, screen: Screen) -> None:
        planned_s = 0.0
        for number in range(self._plan.rounds):
            screen.doing(f"round {number + 1} of {self._plan.rounds}", planned_s)
            before = len(self._rounds.visits)
            self._rounds.play(number)
            planned_s += self._rounds.expected_round_s(number)
            screen.say(f"round {number + 1}: {self._so_far(before)}")

    def _so_far(self, since: int) -> str:
        """Each engine's least time of this round at one workload."""
        here = [visit for visit in self._rounds.visits[since:] if visit.workload == SHOWN]
        return f"ms at {SHOWN}: " + ", ".join(
            f"{visit.engine} {visit.precision} {min(visit.calls_ms):.1f}" for visit in here
        )

    def _compare(self, screen: Screen) -> tuple[list[fidelity.Fidelity], list[fidelity.PathDifference]]:
        def tell(what: str, share: float) -> None:
            screen.doing(f"fidelity: {what}", self._expected_s + share * self._plan.fidelity_s)
            screen.say(f"fidelity: {what}")

        peers = [one for one in self._lineup.contenders if one.stages_s is None and one.precision != "float32"]
        try:
            return fidelity.compare(self._checkpoint, peers, self._texts, self._plan, tell)
        except CannotRunError as error:
            self._lineup.left_out["fidelity"] = str(error)
            return [], []

    def _flop(self, workload: Workload) -> float:
        return Shape.of(self._checkpoint.directory).flop([workload.tokens] * workload.count)

    def _place(self, one: Timing) -> int:
        """That of its engine in the line-up."""
        return [contender.label for contender in self._lineup.contenders].index(one.label)

    def _cosines(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for seat in self._seats:
            label = seat.contender.label
            found[label] = min(seat.cosine, found.get(label, 1.0))
        return found

    def _default_paths(self) -> dict[str, str]:
        """By precision, the native engine on the path that `auto` takes here."""
        here = dict.fromkeys(one.precision for one in self._lineup.contenders if one.stages_s)
        return {precision: native.name_of(native.auto_path(self._checkpoint, precision)) for precision in here}


def _positions(model: Path) -> int:
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    return int(config["max_position_embeddings"])
