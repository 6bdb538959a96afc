"""What a run found, and where it goes: results.json, report.md, report.html with its plots, tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.console import Console

from tests.report.pages import Part, publish_parts
from tests.report.setting import left_out as left_out_part
from tests.report.setting import setting
from tests.study import pictures, tables
from tests.study.columns import Column
from tests.study.figures import Figures
from tests.study.findings import findings
from tests.study.found import Found, faults
from tests.study.plan import Plan
from tests.study.store import Store

NOTES = """\
## How it was measured

`{command}`. {rounds} round(s), each of which starts every configuration once, every other round backwards; {requests} \
requests of each kind from {clients} clients, each of which asks again when it has its answer, over loopback, with \
connections that are kept if the server lets them. "118 ±4%" is the median of the rounds and half of their range.

- Side by side: all services of a comparison run at once and are asked in turn, {pairs} times {paired} requests, each \
time from another one on; a ratio is the median of the turns', and the range without the least and the most. What is \
said of locks, states and padding above comes from there.
- Every answer's first numbers are held against sentence-transformers' as it comes; {checked} texts of each kind are \
asked by {clients} clients at once and compared whole (least cosine).
- %CPU: CPU time of all of a service's processes by time; 100 is one core. RSS is what `ps` adds up; PSS shares out \
among its users what is shared. "Load" is right after the last answer.
- Times count from before a connection is opened to the answer's last byte. The study's answers were token vectors, \
ours are one vector a text.
- "cut at 128": `BERT_MAX_TOKENS=128`, as the study's tokenizer.json cuts. "padded to 128": on torch, every text \
filled up to 128 tokens; the native engine has nothing to pad. "no padding/truncation" answers to texts that are whole.
- The study's own design was not measured in this run: its two tables are data."""


def publish(kept: Store, plan: Plan, columns: Sequence[Column], left_out: dict[str, str], console: Console) -> int:
    """Write and print everything; the exit code: 1 if there are `faults`."""
    run, visits, replaced, paired = kept.run, kept.visits(), kept.replaced(), kept.paired()
    found = Found(
        began=run["began"],
        took_s=sum(one.took_s for each in (visits, replaced.values(), paired) for one in each),
        machine=run["machine"],
        software=run["software"],
        plan=plan,
        visits=visits,
        replaced=replaced,
        lock_us=kept.lock_us,
        paired=paired,
        left_out=left_out,
    )
    publish_parts(_parts(found, list(columns), kept), kept.folder, console, data=found)
    wrong = faults(found, columns)
    for sentence in wrong:
        console.print(f"NOT AS IT SHOULD BE: {sentence}", highlight=False, markup=False)
    return int(bool(wrong))


def plan_of(kept: Store) -> Plan:
    """The plan that a run was made by."""
    return msgspec.convert(kept.run["same"]["plan"], Plan)


def _parts(found: Found, columns: list[Column], kept: Store) -> list[Part]:
    figures = Figures(found.visits, found.paired)
    plan = found.plan
    notes = NOTES.format(
        command="make study",
        rounds=plan.rounds,
        requests=plan.requests,
        clients=plan.clients,
        checked=plan.checked,
        pairs=plan.pairs,
        paired=plan.paired_requests,
    )
    drawn = pictures.draw(figures, columns, kept.folder)
    published, here, ours = tables.study_grids(figures, columns)
    return [
        "# Shared or not, RwLock or Mutex",
        setting(found),
        findings(figures, found.replaced, found.lock_us, found.machine["cores"]),
        *drawn,
        tables.summary_grid(figures, columns),
        *tables.paired_grids(found.paired),
        ours,
        published,
        here,
        *tables.kind_grids(figures, columns),
        tables.cost_grid(figures, columns),
        tables.rise_grid(figures, columns),
        tables.start_grid(columns),
        left_out_part(found.left_out),
        notes,
    ]
