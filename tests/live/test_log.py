"""A fleet whose log nobody reads: every request is answered, every signal heeded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

from tests.live.fleet import GUNICORN, ROOT, Fleet, environment, free_port, stop, wait_for


def test_nobody_reads_the_log(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    port = free_port()
    process = subprocess.Popen(
        GUNICORN, cwd=ROOT, env=environment(port, WEB_CONCURRENCY="2"), stderr=writing, start_new_session=True
    )
    os.close(writing)
    fleet = Fleet(process, port, tmp_path / "log", process.pid)
    try:
        wait_for(lambda: b"all workers ready" in read(reading, fleet.log_path), "a start")
        fleet.workers()
        fill(fleet)
        os.kill(fleet.workers()[0], signal.SIGKILL)
        wait_for(lambda: fleet.metric("bert_workers_ready") == 2, "a successor", timeout_s=10)
        before = set(fleet.workers())
        os.kill(fleet.master_pid, signal.SIGHUP)
        wait_for(lambda: not before & set(fleet.workers()), "a reload", timeout_s=20)
        wait_for(lambda: fleet.metric("bert_workers_ready") == 2, "all ready", timeout_s=10)
        assert fleet.metric("bert_log_lines_dropped_total") > 0
        fill(fleet)
        wait_for(lambda: b"lines were dropped" in read(reading, fleet.log_path), "a word of it", timeout_s=5)
        fill(fleet)
        os.kill(fleet.master_pid, signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        stop(fleet)
        os.close(reading)
    dropped = [json.loads(line)["lines"] for line in fleet.log().splitlines() if "lines were dropped" in line]
    assert min(dropped) > 0


def fill(fleet: Fleet) -> None:
    """Some 375 KB of lines; a pipe holds 64, and each worker keeps 100."""
    for number in range(1500):
        assert fleet.ask("/livez", timeout_s=5).status == 200, number


def read(descriptor: int, path: Path) -> bytes:
    """All that is there now, kept in the file at `path`; all of that file."""
    with path.open("ab") as file:
        while True:
            try:
                data = os.read(descriptor, 1 << 16)
            except BlockingIOError:
                break
            if not data:
                break
            file.write(data)
    return path.read_bytes()
