"""Standard error that nobody reads: lines are lost and counted, and nobody waits."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.fleet.outlet import KEPT_LINES

# Ten thousand lines; then, once it hears that somebody reads, one more and the end.
PROGRAM = """
import os, sys
if "--foreign" in sys.argv:
    def refuse(*_): raise PermissionError
    os.open = refuse  # it is another user's
from app.fleet.outlet import Outlet
outlet = Outlet(lambda lines: f"dropped {lines}")
for number in range(10_000):
    outlet.line(f"line {number} " + 100 * "x")
print("written", flush=True)
sys.stdin.readline()
outlet.flush(5)
outlet.line("last")
outlet.flush(0.2)
"""


def start(standard_error: int, *flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, *flags]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=standard_error, text=True, bufsize=1
    )


@pytest.mark.parametrize("kind", ["pipe", "socket", "fifo", "--foreign"])
def test_a_reader_that_stalls_costs_lines_alone(kind: str, tmp_path: Path) -> None:
    reading, writing = ends(kind, tmp_path)
    with start(writing, kind) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "written\n", "nobody has read a line, and it did not wait"
        assert not fcntl.fcntl(writing, fcntl.F_GETFL) & os.O_NONBLOCK, "ours, not what others hold"
        os.close(writing)
        process.stdin.write("go on\n")
        with os.fdopen(reading, "rb") as file:
            lines = file.read().decode().splitlines()
        assert process.wait(10) == 0
    numbers = [int(line.split()[1]) for line in lines if line.startswith("line")]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > KEPT_LINES
    assert lines[len(numbers) :] == [f"dropped {10_000 - len(numbers)}", "last"]


def ends(kind: str, tmp_path: Path) -> tuple[int, int]:
    """What is read from, and what is written to."""
    if kind == "socket":
        pair = socket.socketpair()
        return pair[0].detach(), pair[1].detach()
    if kind != "fifo":
        return os.pipe()
    os.mkfifo(tmp_path / "fifo")
    # Both ways, so that it can be opened at all; nobody has it open for reading alone.
    both = os.open(tmp_path / "fifo", os.O_RDWR)
    reading = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(tmp_path / "fifo", os.O_WRONLY)
    os.set_blocking(reading, True)
    os.close(both)
    return reading, writing


def test_a_reader_that_goes_away_costs_lines_alone() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with start(writing) as process:
        os.close(writing)
        printed, _ = process.communicate("go on\n", timeout=10)
        assert printed == "written\n"
        assert process.returncode == 0


def test_a_file_keeps_every_line_and_its_place(tmp_path: Path) -> None:
    """Two that write to one file do not write over each other: it is not opened again."""
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.write(b"before\n")
        file.flush()
        with start(file.fileno()) as process:
            process.communicate("go on\n", timeout=20)
    lines = path.read_text().splitlines()
    assert (lines[0], lines[1][:7], lines[-1], len(lines)) == ("before", "line 0 ", "last", 10_002)
    assert not [line for line in lines if re.match("dropped", line)]


def test_a_child_does_not_write_what_its_parent_kept() -> None:
    code = (
        "import os\n"
        "from app.fleet.outlet import Outlet\n"
        "outlet = Outlet(lambda lines: f'dropped {lines}')\n"
        "for number in range(1500): outlet.line(f'line {number} ' + 100 * 'x')\n"
        "child = os.fork()\n"
        "outlet.line('child' if child == 0 else 'parent')\n"
        "if child == 0: outlet.flush(5); os._exit(0)\n"
        "print(os.waitpid(child, 0)[1], flush=True); outlet.flush(5)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr
        lines = process.stderr.read().decode().splitlines()
    assert len(lines) == len(set(lines)), "no line twice"
    assert {"child", "line 0 " + 100 * "x"} <= set(lines)
