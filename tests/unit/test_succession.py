"""Who is born and who stops: starts, deaths, reloads and failing births, without a process."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.fleet.board import State
from app.fleet.drain import Drain
from app.fleet.succession import Member, Pause, Step, Succession


class Fleet:
    """A fleet of numbers: it does what it is told, and remembers the most that it ever was."""

    def __init__(self, wanted: int, most_loading: int = 2) -> None:
        self.succession = Succession()
        self.wanted, self.most_loading = wanted, most_loading
        self.members: list[Member] = []
        self.now_s = 0.0
        self.age = 0
        self.completed = 0
        self.most_serving = self.most_loading_seen = 0

    def step(self) -> Step:
        self.now_s += 0.01
        step = self.succession.step(self.members, self.wanted, self.most_loading, self.now_s)
        self.completed += step.is_complete
        self.members = [replace(one, is_told=one.is_told or one.age in step.stops) for one in self.members]
        for _ in range(step.births):
            self.age += 1
            self.members.append(Member(self.age, State.ABSENT, is_told=False))
        serving = [one for one in self.members if not one.is_told]
        self.most_serving = max(self.most_serving, len(serving))
        self.most_loading_seen = max(self.most_loading_seen, sum(one.state is State.ABSENT for one in serving))
        return step

    def all_load(self) -> None:
        self.members = [replace(one, state=State.READY) if one.state is State.ABSENT else one for one in self.members]

    def told_end(self) -> None:
        self.members = [one for one in self.members if not one.is_told]

    def run(self, turns: int = 60) -> None:
        for _ in range(turns):
            self.step()
            self.all_load()
            self.told_end()

    def ages(self) -> list[int]:
        return [one.age for one in self.members]


def test_a_start_loads_as_many_at_once_as_may_and_is_complete_once() -> None:
    fleet = Fleet(wanted=10, most_loading=3)
    assert fleet.step().births == 3
    assert fleet.step().births == 0, "they are still loading"
    fleet.run()
    assert fleet.ages() == list(range(1, 11))
    assert (fleet.most_loading_seen, fleet.completed) == (3, 1)


def test_the_dead_are_replaced_and_nothing_is_complete_again() -> None:
    fleet = Fleet(wanted=10)
    fleet.run()
    fleet.members = fleet.members[5:]
    fleet.run()
    assert len(fleet.members) == 10
    assert fleet.completed == 1


def test_a_reload_replaces_one_after_the_other() -> None:
    fleet = Fleet(wanted=4)
    fleet.run()
    fleet.succession.replace_all(fleet.age)
    step = fleet.step()
    assert (step.births, list(step.stops)) == (1, [])
    assert fleet.step() == Step(), "nobody stops before the new one is ready"
    fleet.all_load()
    assert list(fleet.step().stops) == [1]
    assert fleet.step().births == 1, "one that still answers its last request holds up nobody"
    fleet.run()
    assert fleet.ages() == [5, 6, 7, 8]
    assert (fleet.most_serving, fleet.completed) == (5, 2)


def test_another_reload_in_between_replaces_the_new_ones_too() -> None:
    fleet = Fleet(wanted=4)
    fleet.run()
    fleet.succession.replace_all(fleet.age)
    fleet.run(turns=3)
    fleet.succession.replace_all(fleet.age)
    newest = fleet.age
    fleet.run()
    assert min(fleet.ages()) > newest
    assert (len(fleet.members), fleet.most_serving, fleet.completed) == (4, 5, 2)


def test_deaths_during_a_reload_are_made_good() -> None:
    fleet = Fleet(wanted=6)
    fleet.run()
    fleet.succession.replace_all(fleet.age)
    fleet.run(turns=2)
    fleet.members = fleet.members[3:]
    fleet.run()
    assert len(fleet.members) == 6
    assert min(fleet.ages()) > 6


@pytest.mark.parametrize("wanted", [2, 9])
def test_another_number_of_workers(wanted: int) -> None:
    fleet = Fleet(wanted=5)
    fleet.run()
    fleet.wanted = wanted
    fleet.run()
    assert len(fleet.members) == wanted
    assert fleet.ages()[-1] == max(5, wanted), "the oldest stop first"


def test_births_that_fail_wait_longer_each_time_and_leave_the_others_alone() -> None:
    fleet = Fleet(wanted=3)
    fleet.run()
    fleet.members.pop(0)
    waits: list[float] = []
    failed_s = None
    while len(waits) < 9:
        if fleet.step().births:
            if failed_s is not None:
                waits.append(round(fleet.now_s - failed_s, 1))
            fleet.members.pop()
            fleet.succession.pause.failed(fleet.age, fleet.now_s)
            failed_s = fleet.now_s
        assert len(fleet.members) == 2, "the healthy serve on"
        looks = fleet.succession.next_look_s(fleet.members, 3, fleet.now_s)
        assert 0.01 <= looks <= 1
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


def test_after_a_failed_birth_one_is_tried_and_then_all() -> None:
    fleet = Fleet(wanted=8, most_loading=4)
    fleet.run()
    fleet.members = fleet.members[:2]
    fleet.succession.pause.failed(fleet.age + 1, fleet.now_s)
    fleet.age += 1
    fleet.now_s += Pause.MOST_S
    assert fleet.step().births == 1
    assert fleet.step().births == 0
    fleet.all_load()
    assert fleet.step().births == 4
    fleet.run()
    assert len(fleet.members) == 8


def test_a_worker_that_fails_in_a_reload_does_not_stop_an_old_one() -> None:
    fleet = Fleet(wanted=2)
    fleet.run()
    fleet.succession.replace_all(fleet.age)
    for _ in range(300):
        if fleet.step().births:
            fleet.members.pop()
            fleet.succession.pause.failed(fleet.age, fleet.now_s)
    assert fleet.ages() == [1, 2]
    fleet.now_s += Pause.MOST_S
    fleet.run()
    assert min(fleet.ages()) > 2


def test_a_drain_answers_on_for_the_delay_and_while_anybody_waits() -> None:
    drain = Drain.begun(100.0, delay_s=5, grace_s=30)
    assert not drain.is_over(104.9, waiting=0)
    assert drain.is_over(105.0, waiting=0)
    assert not drain.is_over(105.0, waiting=1)
    assert drain.is_over(120.0, waiting=1), "who still comes cannot be answered"
    assert drain.next_look_s(102.0) == 3
    assert drain.next_look_s(106.0) == 0.005
    assert Drain.begun(100.0, delay_s=0, grace_s=30).is_over(100.0, waiting=0)
