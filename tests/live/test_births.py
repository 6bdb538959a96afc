"""Successors that fail, wherever: told, counted, tried again after a growing pause, and the healthy serve on."""

from __future__ import annotations

import json
import os
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.encoder import Checkpoint
from tests.kit.fleet import GUNICORN, Fleet, environment, serving, wait_for
from tests.kit.places import ROOT
from tests.kit.session import free_port

# Our configuration, with one of its hooks failing while the flag is there.
FAILING = """
import pathlib
exec(compile(open({configuration!r}).read(), {configuration!r}, "exec"))
healthy = {hook}
def {hook}({arguments}):
    if pathlib.Path({flag!r}).exists():
        raise RuntimeError("in " + {hook!r})
    return healthy({arguments})
"""
APPLICATION = """
import pathlib, app
def create():
    if pathlib.Path({flag!r}).exists():
        raise RuntimeError("in create_app")
    return app.create_app()
"""


def failing(tmp_path: Path, hook: str) -> list[str]:
    """The command of a fleet whose `hook` fails while tmp_path/flag is there."""
    flag = str(tmp_path / "flag")
    if hook == "create_app":
        (tmp_path / "failing_app.py").write_text(APPLICATION.format(flag=flag))
        return [GUNICORN[0], "--pythonpath", str(tmp_path), "failing_app:create()"]
    arguments = "worker" if hook == "post_worker_init" else "server, worker"
    text = FAILING.format(configuration=str(ROOT / "gunicorn.conf.py"), flag=flag, hook=hook, arguments=arguments)
    (tmp_path / "failing.conf.py").write_text(text.replace("__file__", repr(str(ROOT / "gunicorn.conf.py"))))
    return [GUNICORN[0], "-c", str(tmp_path / "failing.conf.py"), GUNICORN[1]]


def kill_one(fleet: Fleet) -> None:
    """And see it buried: until then it is counted as ready."""
    pid = fleet.workers()[0]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: pid not in fleet.workers(), "a burial")


def check_it_recovers(fleet: Fleet, event: str, reason: str, mend: Callable[[], None]) -> dict[str, Any]:
    """Two births fail, with the rest serving; once it is mended, all are ready again. The first line of it."""
    before = len(fleet.events(event))
    kill_one(fleet)
    wait_for(lambda: len(fleet.events(event)) >= before + 2, "two births that fail", timeout_s=30)
    assert fleet.ask("/predict", {"text": "still here"}).status == 200
    assert fleet.metric("bert_workers_ready") == 1
    assert fleet.metric(f'bert_worker_restarts_total{{reason="{reason}"}}') >= 2
    mend()
    wait_for(lambda: fleet.metric("bert_workers_ready") == 2, "both ready again", timeout_s=30)
    assert fleet.process.poll() is None
    return fleet.events(event)[before]


@pytest.mark.parametrize(
    ("hook", "event", "reason"),
    [
        ("pre_fork", "worker not born", "unborn"),
        ("post_fork", "worker failed", "failed"),
        ("create_app", "worker failed", "failed"),
        ("post_worker_init", "worker failed", "failed"),
    ],
)
def test_a_hook_that_fails(tmp_path: Path, hook: str, event: str, reason: str) -> None:
    command = failing(tmp_path, hook)
    flag = tmp_path / "flag"
    with serving(workers=2, command=command) as fleet:
        flag.touch()
        line = check_it_recovers(fleet, event, reason, flag.unlink)
        assert (line["error_class"], line["reason"]) == ("RuntimeError", f"in {hook}")
        assert line["frames"]
        assert "Traceback" not in fleet.log()
    flag.touch()
    ran = subprocess.run(
        command, cwd=ROOT, env=environment(free_port()), capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 3, "at the very first start it is the end"
    assert f"no worker can serve: {reason}" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_no_descriptor_to_be_had() -> None:
    """None in the master, or none in the worker."""
    with serving(workers=2) as fleet:
        before = resource.prlimit(fleet.master_pid, resource.RLIMIT_NOFILE)
        highest = max(int(path.name) for path in Path(f"/proc/{fleet.master_pid}/fd").iterdir())

        def limit(descriptors: int) -> None:
            resource.prlimit(fleet.master_pid, resource.RLIMIT_NOFILE, (descriptors, before[1]))

        def mend() -> None:
            limit(before[0])

        limit(3)
        line = check_it_recovers(fleet, "worker not born", "unborn", mend)
        assert "Too many open files" in line["reason"]
        limit(highest + 1)  # enough for the master, not for the worker's own
        assert check_it_recovers(fleet, "worker failed", "failed", mend)["error_class"] == "OSError"


@pytest.mark.long
def test_whatever_becomes_of_the_temporary_folder(tmp_path: Path) -> None:
    """Gone, or a file in its place; each followed by a death, a reload and a recycling."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    command = [GUNICORN[0], "--max-requests", "60", "--worker-tmp-dir", str(folder), GUNICORN[1]]
    with serving(workers=2, command=command, TMPDIR=str(folder)) as fleet:
        asked = 0
        harms: list[Callable[[], object]] = [lambda: None, lambda: shutil.rmtree(folder), folder.touch]
        for harm in harms:
            harm()
            assert fleet.process.poll() is None
            kill_one(fleet)
            wait_for(lambda: fleet.metric("bert_workers_ready") == 2, "a successor", timeout_s=10)
            fleet.reload()
            recycled = fleet.metric('bert_worker_restarts_total{reason="recycled"}')
            while fleet.metric('bert_worker_restarts_total{reason="recycled"}') == recycled:
                asked += 1
                assert fleet.ask("/livez").status == 200
            assert fleet.metric('bert_requests_total{method="GET",route="/livez"') == asked, "no counter falls"
        assert not fleet.events("worker not born")


@pytest.fixture
def for_others() -> Iterator[Path]:
    """A folder that another user may read and write."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be somebody else")
def test_no_process_to_be_had(for_others: Path) -> None:
    """A limit of pids, which the kernel knows for other users than root alone."""
    # Somebody who may read everything, for the interpreter may lie in root's home.
    capabilities = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    somebody = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", *capabilities]
    command = [*somebody, *GUNICORN]
    with serving(workers=2, command=command, BERT_CACHE=str(for_others), HOME=str(for_others)) as fleet:

        def limit(processes: str) -> None:
            run = [*somebody, "prlimit", "--pid", str(fleet.master_pid), f"--nproc={processes}:"]
            subprocess.run(run, check=True, timeout=20)

        hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        limit("1")
        line = check_it_recovers(
            fleet,
            "worker not born",
            "unborn",
            lambda: limit("unlimited" if hard == resource.RLIM_INFINITY else str(hard)),
        )
        assert line["error_class"] == "BlockingIOError"
        limit("1")
        assert fleet.refused_reload()["error_class"] == "BlockingIOError"
        assert fleet.ask("/predict", {"text": "still here"}).status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be somebody else")
def test_workers_that_are_somebody_else() -> None:
    """gunicorn's -u and -g; the successors of those that die and of a reload, too."""
    command = [GUNICORN[0], "-u", "nobody", "-g", "nogroup", GUNICORN[1]]
    with serving(workers=2, command=command) as fleet:
        wait_for(lambda: fleet.metric('bert_worker_pss_bytes{slot="0"}') > 1e6, "what it costs", timeout_s=30)
        harms: list[Callable[[], object]] = [lambda: None, lambda: kill_one(fleet), fleet.reload]
        for harm in harms:
            harm()
            wait_for(lambda: fleet.metric("bert_workers_ready") == 2, "all ready", timeout_s=20)
            assert {Path(f"/proc/{pid}").stat().st_uid for pid in fleet.workers()} == {pwd.getpwnam("nobody").pw_uid}
            assert fleet.ask("/predict", {"text": "a"}).status == 200
        assert fleet.metric('bert_requests_total{method="POST",route="/predict",status="200"}') == 3


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("config.json", {"layer_norm_eps": "x"}),
        ("config.json", {"hidden_act": ["gelu"]}),
        ("config.json", None),
    ],
)
def test_a_reload_survives_any_model(
    checkpoint: Checkpoint, tmp_path: Path, name: str, changed: dict[str, Any] | None
) -> None:
    model = shutil.copytree(checkpoint.directory, tmp_path / "model")
    with serving(workers=2, BERT_MODEL=str(model), BERT_CACHE=str(tmp_path / "cache")) as fleet:
        good = (model / name).read_text()
        (model / name).write_text("no JSON" if changed is None else json.dumps(json.loads(good) | changed))
        fleet.refused_reload()
        assert fleet.ask("/predict", {"text": "still here"}).status == 200
        (model / name).write_text(good)
        fleet.reload()
        assert fleet.ask("/predict", {"text": "served again"}).status == 200
        assert "Traceback" not in fleet.log()


def test_a_reload_survives_any_configuration(tmp_path: Path) -> None:
    """A file of gunicorn's that is none, and an address that somebody else has."""
    own = tmp_path / "own.conf.py"
    good = (ROOT / "gunicorn.conf.py").read_text().replace("__file__", repr(str(ROOT / "gunicorn.conf.py")))
    own.write_text(good)
    with serving(workers=2, command=[GUNICORN[0], "-c", str(own), GUNICORN[1]]) as fleet, serving(workers=1) as other:
        for bad in ("1 +", "raise SystemExit('no')", "import no_such_module"):
            own.write_text(bad)
            assert "gunicorn's configuration: " in fleet.refused_reload()["reason"]
            assert fleet.ask("/predict", {"text": "still here"}).status == 200
        own.write_text(good + f"\nbind = '127.0.0.1:{other.port}'\n")
        assert "it is in use" in fleet.refused_reload()["reason"]
        own.write_text(good + "\nbind = 'unix:/no/such/folder/socket'\n")
        assert "cannot listen on /no/such/folder/socket" in fleet.refused_reload()["reason"]
        kill_one(fleet)
        wait_for(lambda: fleet.metric("bert_workers_ready") == 2, "a successor on the old address", timeout_s=10)
        before, after = fleet.port, free_port()
        own.write_text(good + f"\nbind = '127.0.0.1:{after}'\n")
        fleet.reload(port_after=after)
        assert fleet.ask("/predict", {"text": "elsewhere"}).status == 200
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", before), timeout=5)
