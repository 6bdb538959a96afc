"""Run the study: `python -m tests.study`, or QUICK=1 in the environment; a run that was stopped goes on.

`--only TEXT …` measures the configurations whose names hold one of these; `--report FOLDER` writes a run's report anew.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from tests.kit import machine
from tests.kit.process import PAGE_WIDTH, is_quick, prepare_process
from tests.kit.service import ServiceFailedError
from tests.report.screen import Screen
from tests.study import outcome, store
from tests.study.columns import Column, columns
from tests.study.lock_cost import lock_us
from tests.study.pairs import COMPARISONS, Comparison, compare
from tests.study.payloads import Payloads
from tests.study.plan import FULL, QUICK, Plan
from tests.study.visit import replaced, visit


class Run:
    """All visits, each kept as soon as it is made."""

    def __init__(self, plan: Plan, chosen: list[Column], kept: store.Store, screen: Screen) -> None:
        self._plan, self._columns, self._kept, self._screen = plan, chosen, kept, screen
        self._planned_s = 0.0
        self.left_out: dict[str, str] = {}

    def play(self) -> None:
        """Every other round goes backwards, and each begins elsewhere: a drift of the machine meets all alike."""
        self._screen.doing("writing the texts and their vectors", 0)
        payloads = Payloads()
        self._kept.keep_lock_us(lock_us())
        for number in range(1, self._plan.rounds + 1):
            first = (number - 1) * len(self._columns) // self._plan.rounds
            order = self._columns[first:] + self._columns[:first]
            for column in order if number % 2 else order[::-1]:
                if number <= self._plan.rounds_of(column):
                    self._visit(column, number, payloads)
        for comparison in COMPARISONS:
            if set(comparison.columns) <= {column.name for column in self._columns}:
                self._compare(comparison, payloads)
        for column in self._columns:
            if self._plan.is_replaced(column):
                self._replace(column)

    def _visit(self, column: Column, number: int, payloads: Payloads) -> None:
        self._screen.doing(f"round {number} of {self._plan.rounds}: {column.name}", self._planned_s)
        self._planned_s += self._plan.expected_s(column)
        if self._kept.has(column.name, number) or column.name in self.left_out:
            return
        try:
            found = visit(column, number, self._plan, payloads)
        except ServiceFailedError as error:
            self._leave_out(column, str(error))
            return
        self._kept.keep(found)
        rates = ", ".join(f"{kind} {one.requests_per_s:.0f}/s" for kind, one in found.cells.items())
        failed = sum(one.failed for one in found.cells.values())
        self._screen.say(f"{column.name:44s} {rates}" + (f"  FAILED: {failed}" if failed else ""))

    def _compare(self, comparison: Comparison, payloads: Payloads) -> None:
        self._screen.doing(f"side by side: {comparison.name}", self._planned_s)
        if self._kept.has_paired(comparison.name):
            return
        try:
            found = compare(comparison, {one.name: one for one in self._columns}, self._plan, payloads)
        except ServiceFailedError as error:
            self.left_out[comparison.name] = str(error)
            self._screen.say(f"{comparison.name} is left out: {error}")
            return
        self._kept.keep_paired(found)
        self._screen.say(f"side by side: {comparison.name}: {self._plan.pairs} turns, {found.failed} failed")

    def _replace(self, column: Column) -> None:
        self._screen.doing(f"replacing the model under load: {column.name}", self._planned_s)
        self._planned_s += self._plan.replacing_s(column)
        if self._kept.has_replaced(column.name) or column.name in self.left_out:
            return
        try:
            found = replaced(column, self._plan)
        except ServiceFailedError as error:
            self._leave_out(column, str(error))
            return
        self._kept.keep_replaced(column.name, found)
        failed = sum(found.failed.values())
        self._screen.say(
            f"{column.name:44s} replaced {found.times} times: {sum(found.answers.values())} answers, "
            f"{failed} failed, {found.mixed} mixed"
        )

    def _leave_out(self, column: Column, why: str) -> None:
        self.left_out[column.name] = why
        self._screen.say(f"{column.name} is left out: {why}")


def main() -> int:
    arguments = _arguments()
    console = Console(width=None if sys.stdout.isatty() else PAGE_WIDTH)
    if arguments.report:
        kept = store.Store(arguments.report)
        return outcome.publish(kept, outcome.plan_of(kept), columns(), {}, console)
    plan = QUICK if is_quick() else FULL
    plan = replace(plan, rounds=arguments.rounds or plan.rounds)
    chosen = [one for one in columns() if not arguments.only or any(text in one.name for text in arguments.only)]
    prepare_process()
    kept = store.obtain(
        datetime.now(UTC), plan, machine.machine_facts(), machine.software_facts(), is_fresh=arguments.fresh
    )
    expected_s = plan.expected_run_s(chosen)
    console.print(
        f"{len(chosen)} configurations, {plan.rounds} round(s), about {expected_s / 60:.0f} minutes; "
        f"kept in {kept.folder}",
        highlight=False,
    )
    with Screen(console, expected_s) as screen:
        run = Run(plan, chosen, kept, screen)
        run.play()
    return outcome.publish(kept, plan, chosen, run.left_out, console)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make study ARGS=…", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], help="the configurations whose names hold one of these")
    parser.add_argument("--rounds", type=int, default=0, help="instead of the plan's")
    parser.add_argument("--fresh", action="store_true", help="begin anew, though a run was stopped")
    parser.add_argument("--report", type=Path, help="write the report of a run's folder anew, and measure nothing")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped; no service is left running, and `make study` goes on from here")
