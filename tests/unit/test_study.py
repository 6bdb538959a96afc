"""The study's own parts: what is measured, how figures become words, what is kept, what the report holds."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app import settings
from tests.conftest import opened
from tests.report.pages import Part, Picture, markdown, page
from tests.report.tables import Grid
from tests.study import store
from tests.study.cells import Cell, Step, Visit, cell
from tests.study.columns import ALL_KINDS, CUT, columns
from tests.study.figures import Figures, Spread
from tests.study.findings import findings, times
from tests.study.found import Found, faults
from tests.study.load import counted
from tests.study.pairs import COMPARISONS, Paired
from tests.study.plan import FULL, QUICK
from tests.study.replacing import Outcome
from tests.study.tables import ROWS, cost_grid, given, kind_grids, paired_grids, rise_grid, study_grids, summary_grid
from tests.unit.test_bench import GOOD, REQUEST, answer, server

CELL = Cell(
    total_requests=100,
    concurrency=10,
    successful=100,
    failed=0,
    errors={},
    total_s=1.0,
    requests_per_s=100.0,
    average_s=0.1,
    min_s=0.05,
    max_s=0.2,
    deviation_s=0.01,
    p50_s=0.1,
    p95_s=0.15,
    p99_s=0.19,
    cpu_percent_load=190.0,
    rss_mb_load=190.0,
    pss_mb_load=130.0,
    quantiles_s=[0.1] * 103,
)
MACHINE = {"processor": "made", "model": "1", "cores": 2}


def visit(column: str, number: int = 1, rate: float = 100.0, cpu: float = 190.0) -> Visit:
    cell = replace(CELL, requests_per_s=rate, cpu_percent_load=cpu)
    steps = [Step(1, rate / 3, 0.01, {}), Step(8, rate, 0.05, {}), Step(64, rate * 0.98, 0.4, {})]
    return Visit(column, number, 0.7, 0.0, 180.0, 120.0, 0.9999, 60, dict.fromkeys(ALL_KINDS, cell), steps, {}, 30.0)


def every_visit(**rates: float) -> list[Visit]:
    """Two rounds of every configuration; `rates` by a part of its name, with underscores for what is no letter."""
    found = []
    for column in columns():
        key = re.sub(r"[^a-z0-9]+", "_", column.name.lower())
        rate = rates.get(key, 100.0)
        found += [visit(column.name, 1, rate, rate), visit(column.name, 2, rate * 1.02, rate)]
    return found


def test_every_configuration_can_be_started_with_its_settings() -> None:
    names = [column.name for column in columns()]
    assert len(set(names)) == len(names)
    for column in columns():
        if column.is_ours:
            found = settings.load(column.peer.environ)
            assert found.is_shared == column.is_shared
            assert column.workers == (1 if column.is_shared else found.workers)
            assert (found.max_tokens == CUT) == column.is_cut


def test_the_study_s_five_columns_are_all_answered() -> None:
    answered = [column.published for column in columns() if column.published]
    assert sorted(answered) == sorted(given("published")["columns"]) == sorted(given("measured-here")["columns"])


def test_each_state_under_each_lock_on_each_engine_has_its_model_replaced() -> None:
    replaced = {column.name for column in columns() if FULL.is_replaced(column)}
    locks = {f"{state}, {lock}" for state in ("shared", "per-worker") for lock in ("none", "rwlock", "mutex")}
    assert locks < replaced
    assert len([name for name in replaced if name.startswith("torch")]) == 2


def test_a_load_is_so_many_requests_and_no_more() -> None:
    answers = iter([answer(GOOD)] * 17 + [answer(b"no", 500)] * 3)
    with server(lambda: next(answers)) as port:
        load = counted(port, [REQUEST], clients=4, total=20)
    found = cell(load, 4, rss_mb=2, pss_mb=1)
    assert (found.total_requests, found.successful, found.failed) == (20, 17, 3)
    assert found.errors == {"status 500": 3}
    assert found.requests_per_s == pytest.approx(17 / found.total_s)
    assert 0 < (found.min_s or 0) <= (found.p50_s or 0) <= (found.p99_s or 0) <= (found.max_s or 0) <= found.total_s


def test_a_spread_tells_the_rounds() -> None:
    assert str(Spread.of([100.0])) == "100"
    assert str(Spread.of([90.0, 100.0, 112.0])) == "100 ±11%"
    assert Spread.of([None]) is None
    assert times(Spread(1.01, 0.97, 1.04, 3)) == "1.01 (0.97 to 1.04) times (no difference to be seen)"
    assert times(Spread(0.5, 0.48, 0.53, 3)) == "0.5 (0.48 to 0.53) times"
    assert times(Spread(0.98, 0.98, 0.98, 1)) == "0.98 times", "one round cannot agree with itself"


def test_ratios_are_taken_round_by_round() -> None:
    """A machine that slows down by half in the second round changes no ratio."""
    visits = [visit("a", 1, 100), visit("b", 1, 50), visit("a", 2, 50), visit("b", 2, 25)]
    found = Figures(visits).ratio("a", "b", "short")
    assert found == Spread(2.0, 2.0, 2.0, 2)


def test_findings_follow_the_figures() -> None:
    slow = findings(Figures(every_visit(shared_mutex=52.0, shared_none=100.0)), {}, {}, 2)
    assert "a mutex 0.52 (0.52 to 0.52) times at 242 tokens, 0.52 (0.52 to 0.52) times at 22." in slow
    assert "Under the mutex one forward runs at a time: 52 % CPU of 200 are used, without it 100 %." in slow
    fast = findings(Figures(every_visit(shared_mutex=152.0)), {}, {}, 2)
    assert "a mutex 1.52 (1.52 to 1.52) times at 242 tokens" in fast
    assert "one forward runs at a time" not in fast, "no cause for what is not so"


def test_findings_of_no_difference() -> None:
    even = findings(Figures(every_visit()), {}, {}, 2)
    assert (
        "**A lock around the model, ten threads.** In requests/s beside no lock: a read-write lock 1 (1 to 1) times "
        "(no difference to be seen) at 242 tokens"
    ) in even
    assert "one interpreter does it" not in even
    assert "per-worker, none: 8 clients, 101/s and a p95 of 50 ms (64 clients: 99/s, 400 ms)" in even
    assert "At equal arithmetic" in even
    assert "At equal arithmetic" not in findings(Figures(every_visit()), {}, {}, 16), "ten threads use ten cores there"


def test_a_knee_beyond_the_last_step_is_not_one() -> None:
    steps = [Step(1, 10.0, 0.1, {}), Step(8, 80.0, 0.1, {})]
    rising = [replace(visit("shared, none"), steps=steps)]
    assert "shared, none: not reached at 8 clients (80/s)" in findings(Figures(rising), {}, {}, 2)


def test_findings_without_figures_are_left_out() -> None:
    assert findings(Figures([]), {}, {}, 2) == "## What follows"
    assert "Padding" not in findings(Figures([visit("shared, none")]), {}, {}, 2)


def test_the_replacements_are_told() -> None:
    outcome = Outcome(20, {"a": 500, "b": 480}, {"status 500": 3}, 2, 1.5)
    told = findings(Figures([]), {"shared, none": outcome}, {}, 2)
    assert "20 replacements in 1 configurations while ten clients asked: 980 answers, 3 failed, 2 with" in told
    assert "needs none" not in told
    assert "needs none" in findings(Figures([]), {"shared, none": replace(outcome, failed={}, mixed=0)}, {}, 2)


def test_every_row_of_the_study_s_table_stands_in_every_table() -> None:
    figures = Figures(every_visit())
    ours, published, here = study_grids(figures, columns())[2], *study_grids(figures, columns())[:2]
    assert [row[0] for row in ours.rows] == list(ROWS)
    assert not [row for row in ours.rows if "–" in row]
    assert {row[0] for row in published.rows} < {row[0] for row in here.rows} < set(ROWS)
    for grid in kind_grids(figures, columns()):
        assert {"requests/s", "standard deviation s", "p99 s", "PSS MB load"} <= set(grid.columns)
        assert len(grid.rows) >= 8
    names = [column.name for column in columns()]
    assert [row[0] for row in cost_grid(figures, columns()).rows] == names
    assert [row[0] for row in summary_grid(figures, columns()).rows] == names
    assert rise_grid(figures, columns()).rows


def found(visits: list[Visit], replaced: dict[str, Outcome] | None = None) -> Found:
    return Found(
        began="",
        took_s=1.0,
        machine={},
        software={},
        plan=FULL,
        visits=visits,
        replaced=replaced or {},
        lock_us={},
        paired=[],
        left_out={},
    )


def test_what_a_run_must_not_leave() -> None:
    good = {column.name: Outcome(20, {"a": 1, "b": 1}) for column in columns() if FULL.is_replaced(column)}
    assert faults(found(every_visit(), good), columns()) == []
    assert "was not measured" in " ".join(faults(found(every_visit()[2:], good), columns()))
    assert "was not replaced" in " ".join(faults(found(every_visit()), columns()))
    lost = replace(every_visit()[0], cells={"fixed": replace(CELL, failed=1, errors={"time-out": 1})})
    assert "'time-out': 1" in " ".join(faults(found([*every_visit(), lost], good), columns()))
    risen = replace(every_visit()[0], steps=[Step(64, 1.0, 0.1, {"broken connection": 2})])
    assert "64 clients: {'broken connection': 2}" in " ".join(faults(found([*every_visit(), risen], good), columns()))
    empty = replace(every_visit()[0], cells={"fixed": replace(CELL, p99_s=None)})
    assert "no p99 s" in " ".join(faults(found([*every_visit(), empty], good), columns()))
    mixed = good | {"shared, none": Outcome(20, {"a": 1, "b": 1}, mixed=1)}
    assert "1 mixed" in " ".join(faults(found(every_visit(), mixed), columns()))
    one_model = good | {"shared, none": Outcome(20, {"a": 1})}
    assert "1 models seen" in " ".join(faults(found(every_visit(), one_model), columns()))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    return tmp_path


def begin(
    minute: int, *, commit: str = "abc", is_fresh: bool = False, is_dirty: bool = False, plan: Any = FULL
) -> store.Store:
    began = datetime(2026, 1, 1, 0, minute, tzinfo=UTC)
    software = {"commit": commit, "changes_beside_the_commit": is_dirty}
    return store.obtain(began, plan, MACHINE, software, is_fresh=is_fresh)


def test_a_run_that_was_stopped_goes_on(results: Path) -> None:
    first = begin(0)
    first.keep(visit("shared, none", 2))
    first.keep_replaced("shared, none", Outcome(3, {"a": 5}))
    again = begin(1)
    assert again.folder == first.folder
    assert again.has("shared, none", 2)
    assert not again.has("shared, none", 1)
    assert again.visits() == [visit("shared, none", 2)]
    assert again.replaced() == {"shared, none": Outcome(3, {"a": 5})}
    assert len(list(results.iterdir())) == 1


def test_a_run_that_is_done_or_another_s_does_not_go_on(results: Path) -> None:
    first = begin(0)
    assert begin(1, commit="def").folder != first.folder
    assert begin(2, plan=QUICK).folder != first.folder
    assert begin(3, is_fresh=True).folder != first.folder
    done = begin(4, commit="ghi")
    (done.folder / store.REPORT).touch()
    assert begin(5, commit="ghi").folder != done.folder
    assert begin(6, is_dirty=True).folder != begin(7, is_dirty=True).folder
    assert len(list(results.iterdir())) == 8


def test_a_page_needs_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "plot.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    parts: list[Part] = ["# A & B", Grid("Table", ("name", "x"), [["a", "1"]]), Picture("plot.svg", "a plot"), ""]
    text = markdown(parts)
    html = page(text, tmp_path)
    assert "![a plot](plot.svg)" in text
    assert "<title>A &amp; B</title>" in html
    assert re.findall(r'src="([^"]{26})', html) == ["data:image/svg+xml;base64,"]
    assert '<td style="text-align:right">1</td>' in html
    assert not re.search(r'(src|href)="(?!data:)', html)


def test_padding_to_128_changes_no_vector() -> None:
    pytest.importorskip("torch")
    from tests.study import padded

    encoder = opened("sentence-transformers", "float32")
    batcher: Any = encoder._batcher  # type: ignore[attr-defined]
    padding = padded.PaddedBatcher.__new__(padded.PaddedBatcher)
    padding.__dict__.update(batcher.__dict__)
    texts = ["a short text", "another one, which is somewhat longer"]
    expected = encoder.encode(texts).vectors
    encoder._batcher = padding  # type: ignore[attr-defined]
    try:
        (_, features), *_ = padding.prepare(texts).batches
        assert features["input_ids"].shape == features["attention_mask"].shape == (2, CUT)
        assert np.allclose(encoder.encode(texts).vectors, expected, atol=1e-6)
    finally:
        encoder._batcher = batcher  # type: ignore[attr-defined]


def test_side_by_side_counts_more_than_rounds() -> None:
    """Eight turns, one of them spoilt: the median, and the range without the least and the most."""
    rates = {"a": [50.0, 52, 51, 50, 49, 51, 50, 1], "b": [100.0] * 8, "a (again)": [50.0] * 8}
    figures = Figures([visit("a", 1, 100), visit("b", 1, 100)], [Paired("made", {"long": rates}, 0, 1.0)])
    assert figures.ratio("a", "b", "long") == Spread(0.5, 0.49, 0.51, 8)
    assert figures.ratio("a", "b", "short") == Spread(1.0, 1.0, 1.0, 1)
    (grid,) = paired_grids(figures.paired)
    assert grid.rows[0] == ["a", "50", "1"]
    assert grid.rows[1][2] == "2 (1.96 to 2.04)"


def test_every_comparison_is_of_configurations_that_are_measured() -> None:
    asked = {column.name: column.kinds for column in columns()}
    for comparison in COMPARISONS:
        for name in comparison.columns:
            assert set(comparison.kinds) <= set(asked[name])
