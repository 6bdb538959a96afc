"""What the report says: tables, pictures, notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app.encoder.native.forward import CALL_TOKENS
from app.encoder.native.library import PRECISIONS, STAGES
from tests.bench.encoder.figures import Timing
from tests.report.pages import Part, Picture
from tests.report.setting import left_out, setting
from tests.report.tables import Grid, number, percent

if TYPE_CHECKING:
    from tests.bench.encoder.outcome import Outcome

NOTES = f"""\
Everything in one process on one thread. {{rounds}} rounds; in each, every engine gets its turn at every workload: \
one call that is not timed, then at least {{least_calls}} and as many as fit in {{visit_ms:.0f}} ms. A time is the \
median over rounds of each round's median. Columns are tokens of one text (special ones included), or texts × tokens \
of each.

- native: ids to pooled vectors, with calls of up to {CALL_TOKENS} tokens, as the service makes them. eager \
BertModel, ONNX Runtime, OpenVINO, oneDNN-prepacked: ids to the mean over the tokens. SentenceTransformer.encode: text \
to unit vector, with its tokenizing; it has no text of 1 token. Beyond the recipe's longest text, ids go up to the \
model's positions.
- oneDNN-prepacked: a BERT written out on torch's oneDNN products, with weights laid out anew for each workload's \
number of rows, fused QKV and residuals in the products: about what torch.compile with freezing gives.
- cores: CPU time by time; below 1, another process had the core. cosine: the least to eager BertModel over all \
workloads.
- of the peak: floating-point operations of the matrix products, by what this core multiplies at best in that \
precision (register-only loops, measured in every round): a native path by its own instructions, the others by the \
best path's.
- stages: parts of their sum, each the median over rounds. The plain path runs once, at one workload.
- fidelity: against SentenceTransformer.encode in float32 in batches, each text cut at the recipe's longest. \
difference: the largest between two components. same bits: texts whose vector is the same to the bit alone and packed \
with others."""


def grids(found: Outcome) -> list[Grid]:
    """Times four ways, where the time goes, the peaks, the fidelity, the paths, the texts."""
    pictured = [_times(found), *(_ratios(found, precision) for precision in PRECISIONS), _shares(found), _stages(found)]
    peaks = [
        [path, *(number(gflops.get(precision)) for precision in PRECISIONS)]
        for path, gflops in found.path_peaks_gflops.items()
    ]
    pictured.append(Grid("One core's peak, GFLOP/s", ("path", *PRECISIONS), peaks))
    pictured += [_fidelity(found), _differences(found)]
    sources = [[source, str(count)] for source, count in found.sources.items()]
    pictured.append(Grid("Real texts", ("source", "texts"), sources))
    return [grid for grid in pictured if grid.rows]


def parts(found: Outcome, pictures: Sequence[str]) -> list[Part]:
    """The whole report."""
    plan = found.plan
    notes = NOTES.format(rounds=plan.rounds, least_calls=plan.least_calls, visit_ms=1e3 * plan.visit_s)
    title = "# Engine against engine"
    return [title, setting(found), *grids(found), left_out(found.left_out), *map(Picture, pictures), notes]


def _times(found: Outcome) -> Grid:
    grid = _by_workload(found, "Forward, ms", lambda one: number(one.ms))
    rows = []
    for row in grid.rows:
        mine = [one for one in found.timings if [one.engine, one.precision] == row[:2]]
        cores = sum(one.cores * one.calls * one.ms for one in mine) / sum(one.calls * one.ms for one in mine)
        rows.append([*row, f"{cores:.2f}", f"{found.cosines[' '.join(row[:2])]:.5f}"])
    return Grid(grid.title, (*grid.columns, "cores", "cosine"), rows, 2)


def _ratios(found: Outcome, precision: str) -> Grid:
    def ratio(one: Timing) -> str:
        times = one.times_native.get(precision)
        return "–" if times is None else f"{times:.2f}"

    return _by_workload(found, f"Times the native engine's in {precision}", ratio)


def _shares(found: Outcome) -> Grid:
    return _by_workload(found, "Share of this core's peak", lambda one: percent(one.share_of_peak))


def _by_workload(found: Outcome, title: str, cell: Callable[[Timing], str]) -> Grid:
    """Engines down, workloads across."""
    cells = {(one.engine, one.precision, one.workload): cell(one) for one in found.timings}
    engines = dict.fromkeys((one.engine, one.precision) for one in found.timings)
    rows = [[*engine, *(cells.get((*engine, workload), "–") for workload in found.flop)] for engine in engines]
    return Grid(title, ("engine", "precision", *found.flop), rows, 2)


def _stages(found: Outcome) -> Grid:
    rows = [
        [one.engine, one.precision, one.workload, *(f"{100 * one.stages[stage]:.1f}" for stage in STAGES)]
        for one in found.timings
        if one.stages
    ]
    return Grid("Where a native forward's time goes, %", ("engine", "precision", "workload", *STAGES), rows, 3)


def _fidelity(found: Outcome) -> Grid:
    columns = ("path", "precision", "least at", "texts", "least cosine", "mean", "difference", "top 5", "same bits")
    rows = [
        [
            *(one.path, one.precision, _quoted(one.least_text), str(one.texts)),
            *(f"{one.least_cosine:.7f}", f"{one.mean_cosine:.7f}", f"{one.largest_difference:.1e}"),
            *(
                "–" if one.neighbour_overlap is None else f"{one.neighbour_overlap:.4f}",
                "–" if one.same_bits is None else str(one.same_bits),
            ),
        ]
        for one in found.fidelity
    ]
    return Grid("Fidelity to SentenceTransformer.encode", columns, rows, 3)


def _differences(found: Outcome) -> Grid:
    rows = [
        [one.precision, one.one, one.other, str(one.texts), f"{one.largest_difference:.1e}", str(one.same_bits)]
        for one in found.path_differences
    ]
    return Grid(
        "The paths beside each other", ("precision", "path", "path", "texts", "difference", "same bits"), rows, 3
    )


def _quoted(text: str, most: int = 24) -> str:
    """Fit for a cell of a Markdown table."""
    return text[:most].replace("|", "/").replace("`", "'")
