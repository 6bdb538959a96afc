"""`python -m tests.chaos`: each fault in turn, then the table; QUICK=1: the short form. Exit 1 if one was missed.

Times are not judged in the short form, which has too few of them: CI runs it on machines that are busy.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable

from app.fleet import threads

threads.pin()

from tests.chaos.busy import full, hung, probes  # noqa: E402
from tests.chaos.endings import orphans, terms, unread  # noqa: E402
from tests.chaos.kills import kills  # noqa: E402
from tests.chaos.restarts import hand_over, hang_up, restarts  # noqa: E402
from tests.chaos.slow import held, slow  # noqa: E402
from tests.chaos.table import Row, drawn  # noqa: E402
from tests.kit.process import is_quick  # noqa: E402


def main() -> None:
    """Run all, or those whose names hold one of the words given."""
    quick = is_quick()
    times, window_s, rounds = (2, 2.0, 5) if quick else (10, 3.0, 60)
    faults: dict[str, Callable[[], Iterable[Row]]] = {
        "reload": lambda: [restarts("HUP", hang_up, times, window_s)],
        "handover": lambda: [restarts("USR2, and TERM to the old master", hand_over, times, window_s)],
        "kills": lambda: kills(rounds),
        "terms": lambda: [terms(times)],
        "slow": lambda: [slow(1 if quick else 5), held(1 if quick else 3)],
        "busy": lambda: [*probes(10 if quick else 60), full(10 if quick else 60), hung(1 if quick else 5)],
        "log": lambda: [unread(4 * window_s)],
        "master": lambda: [orphans()],
    }
    rows: list[Row] = []
    for name, fault in faults.items():
        if not sys.argv[1:] or any(word in name for word in sys.argv[1:]):
            began = time.monotonic()
            sys.stderr.write(f"{name} …\n")
            rows += fault()
            sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    sys.stdout.write(drawn(rows) + "\n")
    sys.exit(0 if all(row.is_whole and (quick or row.is_in_time) for row in rows) else 1)


main()
