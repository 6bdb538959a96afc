"""The process model's parts that need no fleet: forks, addresses, advice, a handover's pipe."""

from __future__ import annotations

import os
import signal
import socket
import time
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config

from app import encoder, load_model, settings
from app.errors import ConfigurationError
from app.fleet import boot, cores
from app.process import ending, forking, handover, sockets
from app.process.forking import how
from app.process.handover import Handover
from app.process.master import Master
from app.process.planning import Planning
from app.web.services import Services


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
        assert "BERT_ADMIN_BIND names another" in str(sockets.why_not(address, "BERT_ADMIN_BIND"))
        assert sockets.why_not(address) == f"cannot listen on 127.0.0.1:{address[1]}: it is in use; PORT names another"
    assert sockets.why_not(address) is None
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


def test_each_master_hears_whether_the_other_s_fleet_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    own, others = socket.socketpair()
    old = Handover(own, other_serves=False)
    monkeypatch.setenv(handover.VARIABLE, str(others.detach()))
    new = handover.inherited()
    assert new
    assert handover.inherited() is None, "it is not handed on to workers"
    assert (old.other_serves(), new.other_serves()) == (False, True)
    new.say(handover.SERVES)
    assert (old.other_serves(), old.other_serves()) == (True, True)
    old.say(handover.LEAVES)
    assert not new.other_serves()
    new.close()
    assert not old.other_serves(), "who is gone does not serve"
    old.say(handover.LEAVES)  # to nobody
    old.close()


def test_a_variable_that_somebody_set_by_hand_is_no_handover(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(handover.VARIABLE, "nonsense")
    assert handover.inherited() is None


def test_sockets_of_somebody_else_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = SimpleNamespace(master_pid=0, cfg=SimpleNamespace(reuse_port=False))
    assert not sockets.are_given(alone)
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert sockets.are_given(alone)


def test_a_path_is_nobody_else_s_to_take_or_to_remove(tmp_path: Path) -> None:
    """gunicorn takes it from who listens there, and removes whatever lies there at its end."""
    path = str(tmp_path / "socket")
    assert sockets.why_not(path) is None
    configuration = Config()
    configuration.set("bind", f"unix:{path}")
    (first,) = sockets.opened([], configuration, None)
    assert sockets.why_not(path) == f"cannot listen on {path}: it is in use"
    Path(path).unlink()
    (second,) = sockets.opened([], configuration, None)
    sockets.close([first])
    assert Path(path).exists(), "it is the second's now"
    sockets.close([second])
    assert not Path(path).exists()


def test_another_address_is_had_or_nothing_changes(tmp_path: Path) -> None:
    here, there, nowhere = (f"unix:{tmp_path}/{name}" for name in ("here", "there", "no/where"))
    configuration = Config()
    configuration.set("bind", here)
    before = sockets.opened([], configuration, None)
    configuration.set("bind", [there, nowhere])
    with pytest.raises(ConfigurationError, match=r"cannot listen on .*no/where"):
        sockets.opened(before, configuration, None)
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    configuration.set("bind", [there, here])
    after = sockets.opened(before, configuration, None)
    assert after[1] is before[0], "what is the same stays open"
    sockets.close(after)
    assert list(tmp_path.iterdir()) == []


def test_who_knocks_too_late_is_overlooked_and_who_was_heard_comes_in() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as heard:
            wrapped: Any = SimpleNamespace(sock=listener, setsockopt=listener.setsockopt)
            sockets.let_nobody_new([wrapped])
            with pytest.raises(TimeoutError):
                socket.create_connection(address, timeout=0.3)
            accepted, _ = listener.accept()
            with accepted:
                heard.sendall(b"hello")
                assert accepted.recv(10) == b"hello"


def test_quiet_is_a_while_without_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    quiet = ending.Quiet()
    assert not quiet.is_long(0)
    now_s += ending.QUIET_S - 0.01
    assert not quiet.is_long(1)
    now_s += 0.02
    assert not quiet.is_long(0)
    now_s += ending.QUIET_S
    assert quiet.is_long(0)


def test_what_is_inherited_is_whole_but_for_its_weights_and_a_reload_lets_it_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(boot, "assembled", None)
    found = settings.load({"BERT_ENGINE": "native"})
    planning = Planning(found)
    server = SimpleNamespace(app=SimpleNamespace(app_uri="app:create_app()", cfg=Config()))
    plan = encoder.verify_and_plan(found)
    planning._prepare(server, plan)
    app = server.app.callable
    assert app is boot.assembled
    inherited = weakref.ref(app.extensions[Services.NAME].encoder)
    load_model(app, plan)
    answer = app.test_client().post("/predict", json={"text": "Hello"})
    assert (answer.status_code, len(answer.json["embeddings"][0])) == (200, 384)
    planning._prepare(server, plan)
    assert boot.assembled is server.app.callable is not app
    assert inherited() is None
