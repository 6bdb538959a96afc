"""A fleet whose log nobody reads: every request is answered, every signal heeded."""

from __future__ import annotations

import json
import os
import signal

from tests.kit.fleet import Fleet, read_log, serving_unread, wait_for


def test_nobody_reads_the_log() -> None:
    with serving_unread(workers=2, BERT_LOG_LEVEL="debug") as (fleet, reading):
        fill(fleet)
        os.kill(fleet.workers()[0], signal.SIGKILL)
        wait_for(lambda: fleet.metric("bert_workers_ready") == 2, "a successor", timeout_s=10)
        before = set(fleet.workers())
        os.kill(fleet.master_pid, signal.SIGHUP)
        wait_for(lambda: not before & set(fleet.workers()), "a reload", timeout_s=20)
        wait_for(lambda: fleet.metric("bert_workers_ready") == 2, "all ready", timeout_s=10)
        assert fleet.metric("bert_log_lines_dropped_total") > 0
        fill(fleet)
        told = b"lines were dropped"
        wait_for(lambda: told in read_log(fleet, reading), "a word of it", timeout_s=5)
        fill(fleet)
        os.kill(fleet.master_pid, signal.SIGTERM)
        assert fleet.process.wait(10) == 0
        lines = read_log(fleet, reading).splitlines()
        assert min(json.loads(line)["lines"] for line in lines if told in line) > 0


def fill(fleet: Fleet) -> None:
    """Some 225 KB of lines; a pipe holds 64, and each worker keeps 50."""
    for number in range(900):
        assert fleet.ask("/livez", timeout_s=5).status == 200, number
