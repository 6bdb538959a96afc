"""The process model's parts that need no fleet: forks, addresses, advice, a handover's pipe."""

from __future__ import annotations

import os
import signal
import socket
import time
from types import SimpleNamespace
from typing import Any

import pytest

from app.fleet import cores
from app.process import forking, handover, sockets
from app.process.births import how
from app.process.handover import Handover
from app.process.master import Master


def ended(pid: int) -> dict[str, Any]:
    return how(os.waitpid(pid, 0)[1])


def test_a_child_ends_with_its_code_and_its_error_is_told_there() -> None:
    def leave(code: int | str | None) -> None:
        raise SystemExit(code)

    reading, writing = os.pipe()
    nobody: Any = None
    assert ended(forking.fork(lambda: None, nobody)) == {"exit_code": 0}
    assert ended(forking.fork(lambda: leave(7), nobody)) == {"exit_code": 7}
    assert ended(forking.fork(lambda: leave("a sentence"), nobody)) == {"exit_code": 1}
    told = forking.fork(lambda: 1 // 0, lambda error: os.write(writing, repr(error).encode()))
    assert ended(told) == {"exit_code": 1}
    assert os.read(reading, 100) == b"ZeroDivisionError('integer division or modulo by zero')"


def test_a_child_hears_term_at_once_and_leaves_ctrl_c_to_its_master() -> None:
    """Though this process, as a master does, only puts signals aside."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        child = forking.fork(lambda: time.sleep(60), lambda _error: None)
        os.kill(child, signal.SIGINT)
        os.kill(child, signal.SIGTERM)
        assert ended(child) == {"signal": "SIGTERM"}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_why_an_address_cannot_be_had() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = taken.getsockname()
        assert sockets.why_not(address) == f"cannot listen on 127.0.0.1:{address[1]}: it is in use; PORT names another"
    assert sockets.why_not(address) is None
    assert sockets.why_not("/somewhere/socket") is None
    assert "cannot listen on no.such.host.invalid:80: " in str(sockets.why_not(("no.such.host.invalid", 80)))
    assert "cannot listen on 192.0.2.1:80: " in str(sockets.why_not(("192.0.2.1", 80)))


def test_more_workers_than_twice_the_quota_are_advised_against(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for quota, workers, is_told in [
        (None, 64, False),
        (0.5, 1, False),
        (0.5, 2, True),
        (5.0, 10, False),
        (2.0, 5, True),
    ]:
        monkeypatch.setattr(cores, "by_cgroup", lambda quota=quota: quota)
        Master._advise(workers)
        assert ("WEB_CONCURRENCY=auto" in "".join(capsys.readouterr())) == is_told, (quota, workers)


def test_an_old_master_hears_once_that_the_new_fleet_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Handover()
    for name, value in pipe.environment().items():
        monkeypatch.setenv(name, value)
    assert not pipe.is_ready()
    handover.say_ready()
    assert pipe.is_ready()
    assert pipe.is_ready()
    handover.say_ready()  # there is nobody to be told any more
    pipe.close()


def test_a_new_master_that_ends_before_it_serves_has_not_said_so() -> None:
    pipe = Handover()
    pipe.forked()
    assert not pipe.is_ready()
    pipe.close()


def test_sockets_of_somebody_else_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = SimpleNamespace(master_pid=0, cfg=SimpleNamespace(reuse_port=False))
    assert not sockets.are_given(alone)
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert sockets.are_given(alone)
