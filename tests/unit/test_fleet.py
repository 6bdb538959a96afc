from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import gunicorn
import pytest
from gunicorn.arbiter import Arbiter as Stock
from gunicorn.asgi.parser import PythonProtocol
from gunicorn.workers.base import Worker as StockWorker

from app.fleet import cores, memory, threads
from app.fleet.board import Board, Readiness, State, lowest_free
from app.fleet.heartbeat import Heartbeat
from app.process.arbiter import BUILT_FOR, Arbiter
from app.server.worker import Worker


def test_a_slot_is_reused_once_its_worker_is_gone() -> None:
    assert lowest_free(set()) == 0
    assert lowest_free({0, 1, 3}) == 2


def test_a_worker_counts_as_ready_only_while_it_is() -> None:
    board = Board(workers=2)
    readiness = Readiness(board, 1)
    assert (board.ready_count(), readiness.state) == (0, State.LOADING)
    readiness.announce()
    assert (board.ready_count(), readiness.state) == (1, State.READY)
    readiness.stop()
    assert readiness.state is State.STOPPING
    assert board.ready_count() == 0
    board.clear(1)
    assert (board.pids(), board.state(1)) == ({}, State.ABSENT)


def test_the_board_is_seen_across_a_fork() -> None:
    board = Board()
    child = os.fork()
    if child == 0:
        Readiness(board, 7).announce()
        os._exit(0)
    os.waitpid(child, 0)
    assert board.pids() == {7: child}
    assert board.ready_count() == 1


def test_workers_measure_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms = 1_000_000
    measured: list[int] = []

    def of_process(pid: int) -> memory.Memory:
        measured.append(pid)
        return memory.Memory(100 + len(measured), 50)

    monkeypatch.setattr(memory, "of_process", of_process)
    monkeypatch.setattr(memory, "_now_ms", lambda: now_ms)
    shared = Board(2)
    shared.write(0, 11, State.READY)
    shared.write(1, 12, State.READY)
    memory.tell_own(shared, 0)
    first = memory.of_fleet(shared)
    assert (list(first), measured) == (["master", "0", "1"], [os.getpid(), os.getppid(), 12])
    now_ms += 10_000
    memory.tell_own(shared, 0)
    assert (memory.of_fleet(shared), len(measured)) == (first, 3), "fresh enough"
    now_ms += 10_000
    memory.tell_own(shared, 0)
    assert measured[3:] == [os.getpid()]
    assert memory.of_fleet(shared)["1"] == first["1"]
    assert len(measured) == 4, "fresh enough, if all measure themselves"
    now_ms += 12_000
    memory.of_fleet(shared)
    assert measured[4:] == [os.getppid(), 12], "these do not, it seems"
    shared.clear(1)
    shared.write(1, 13, State.READY)
    assert memory.of_fleet(shared)["1"].private_bytes == 50
    assert measured[-1] == 13, "another worker is another size"


def test_memory_of_this_process_and_of_none() -> None:
    own = memory.of_process(os.getpid())
    assert own is not None
    assert own.pss_bytes >= own.private_bytes > 1_000_000
    assert memory.of_process(2**22 + 1) is None


def test_affinity_counts_cores() -> None:
    assert 1 <= cores.by_affinity() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {}, None),
        ("0::/pod/box\n", {"pod/box/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/pod/box\n", {"pod/cpu.max": "50000 100000", "pod/box/cpu.max": "max 100000"}, 0.5),
        ("4:cpu,cpuacct:/box\n", {"cpu,cpuacct/box/cpu.cfs_quota_us": "-1"}, None),
        (
            "4:cpu,cpuacct:/box\n",
            {"cpu,cpuacct/box/cpu.cfs_quota_us": "200000", "cpu,cpuacct/box/cpu.cfs_period_us": "100000"},
            2.0,
        ),
    ],
)
def test_quota_of_the_tightest_group(tmp_path: Path, own: str, files: dict[str, str], expected: float | None) -> None:
    for name, content in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(content)
    (tmp_path / "own").write_text(own)
    assert cores.by_cgroup(tmp_path / "fs", tmp_path / "own") == expected


def test_a_sandbox_may_refuse_to_tell_the_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_getaffinity", refused)
    assert cores.by_affinity() == os.cpu_count()


def test_closed_streams_are_opened_on_nothing() -> None:
    code = (
        "import os, sys; from app.fleet import streams; streams.open_closed();"
        "print('lost'); sys.stderr.write('lost');"
        "targets = [os.readlink(f'/proc/self/fd/{number}') for number in range(3)];"
        "sys.exit(targets != ['/dev/null'] * 3)"
    )
    ran = subprocess.run(["sh", "-c", '"$0" -c "$1" <&- >&- 2>&-', sys.executable, code], check=False)
    assert ran.returncode == 0


def test_every_arithmetic_library_is_pinned() -> None:
    threads.pin()
    assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "1"
    assert os.environ["TOKENIZERS_PARALLELISM"] == "false"


def test_a_heartbeat_is_seen_across_a_fork() -> None:
    heartbeat = Heartbeat(None)
    before = heartbeat.last_update()
    assert time.monotonic() - before < 5
    child = os.fork()
    if child == 0:
        time.sleep(0.01)
        heartbeat.notify()
        os._exit(0)
    os.waitpid(child, 0)
    assert heartbeat.last_update() > before
    heartbeat.close()
    with pytest.raises(ValueError, match="released"):
        heartbeat.last_update()


def test_the_arbiter_is_written_for_the_gunicorn_of_the_lock() -> None:
    """What is overridden has to be read again before another one is taken."""
    locked = re.search(r"^gunicorn==(\S+)", Path("config/requirements.txt").read_text(), flags=re.MULTILINE)
    assert locked
    assert gunicorn.__version__ == BUILT_FOR == locked[1]
    own = {name for name in vars(Arbiter) if callable(getattr(Arbiter, name)) and not name.startswith("__")}
    added = {"adopt", "members", "_bury_successor"}
    assert [name for name in own - added if name not in vars(Stock)] == []


def test_the_worker_is_written_for_the_same() -> None:
    """All that it takes of gunicorn: what it overrides, what it calls, and the one parser of its proxied.py."""
    own = {name for name in vars(Worker) if callable(getattr(Worker, name)) and not name.startswith("_")}
    assert own - set(vars(StockWorker)) == {"count_request", "queue_depth", "stop"}
    told = {"age", "ppid", "sockets", "cfg", "alive", "nr", "max_requests", "tmp"}
    taken = set(StockWorker.__init__.__code__.co_names)
    assert told <= taken
    assert isinstance(StockWorker.PIPE, list)
    reader = PythonProtocol(proxy_protocol="v1")
    reader.feed(b"PROXY TCP4 1.2.3.4 5.6.7.8 80 8000\r\n")
    assert reader.proxy_protocol_info["client_addr"] == "1.2.3.4"
