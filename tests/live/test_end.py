"""How a fleet ends: told first, then nobody new, then what is in; with its master, and beside a successor."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.kit.fleet import Fleet, serving, wait_for
from tests.kit.session import is_running

# Different texts, for equal ones are computed once.
LONG = {"text": [f"word{number} " * 300 for number in range(80)]}


def asking(pool: ThreadPoolExecutor, fleet: Fleet, body: Any) -> Future[int]:
    """A request that is under way."""
    future = pool.submit(lambda: fleet.ask("/predict", body).status)
    time.sleep(0.3)
    return future


@pytest.mark.parametrize("is_group", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_in_is_answered(number: int, is_group: bool) -> None:
    """Told to the master alone, or to the whole group: so does a terminal with INT, and systemd with TERM."""
    with serving(workers=2, BERT_DRAIN_DELAY_S="0.5") as fleet, ThreadPoolExecutor(1) as pool:
        answer = asking(pool, fleet, LONG)
        (os.killpg if is_group else os.kill)(fleet.process.pid, number)
        assert not answer.done(), "it is still being answered at the signal"
        assert answer.result(60) == 200
        assert fleet.process.wait(30) == 0
        assert fleet.events("fleet ended")[0]["exit_status"] == 0
        assert not fleet.events("worker lost")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_asked_twice_it_ends_at_once(number: int) -> None:
    with serving(workers=2) as fleet, ThreadPoolExecutor(1) as pool:
        answer = asking(pool, fleet, LONG)
        os.kill(fleet.master_pid, number)
        if number != signal.SIGQUIT:
            time.sleep(0.2)
            assert not answer.done()
            os.kill(fleet.master_pid, number)
        began = time.monotonic()
        assert fleet.process.wait(10) == 0
        assert time.monotonic() - began < 5
        assert isinstance(answer.exception(10), OSError)


def test_who_waits_is_answered() -> None:
    """Twenty at once to two workers, told to stop while most of them wait in the kernel's queue."""
    with serving(workers=2, BERT_MAX_QUEUE_MS="0") as fleet, ThreadPoolExecutor(20) as pool:
        bodies = [{"text": [f"{number} {part} " + "word " * 200 for part in range(10)]} for number in range(20)]
        answers = [pool.submit(fleet.ask, "/predict", body) for body in bodies]
        wait_for(lambda: any(answer.done() for answer in answers), "the first answer")
        os.kill(fleet.master_pid, signal.SIGTERM)
        assert not all(answer.done() for answer in answers)
        assert [answer.result(60).status for answer in answers] == [200] * 20
        assert fleet.process.wait(30) == 0


def test_it_is_not_ready_first_and_answers_on_for_the_delay() -> None:
    with serving(workers=2, BERT_DRAIN_DELAY_S="2") as fleet:
        assert fleet.ask("/readyz").status == 200
        os.kill(fleet.master_pid, signal.SIGTERM)
        began = time.monotonic()
        wait_for(lambda: fleet.ask("/readyz").status == 503, "not ready", timeout_s=5)
        assert fleet.ask("/readyz").json["error"] == "this fleet is stopping"
        assert fleet.ask("/predict", {"text": "still here"}).status == 200
        killed = fleet.workers()[0]
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: len(fleet.events("worker ready")) == 3, "a successor even now")
        assert fleet.ask("/predict", {"text": "still here"}).status == 200
        assert fleet.process.wait(30) == 0
        assert time.monotonic() - began >= 2


def test_ctrl_c_does_not_wait_for_balancers() -> None:
    with serving(workers=1, BERT_DRAIN_DELAY_S="60") as fleet:
        os.kill(fleet.master_pid, signal.SIGINT)
        assert fleet.process.wait(20) == 0


def test_who_comes_too_late_is_refused_and_not_left_waiting() -> None:
    """An idle client that is kept alive holds a worker for two seconds, but nobody else."""
    with serving(workers=1) as fleet, socket.create_connection(("127.0.0.1", fleet.port)) as idle:
        idle.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert idle.recv(1000).startswith(b"HTTP/1.1 200")
        os.kill(fleet.master_pid, signal.SIGTERM)
        time.sleep(0.3)
        assert fleet.process.poll() is None
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", fleet.port), timeout=5)
        assert fleet.process.wait(20) == 0


def test_without_its_master_a_worker_ends_by_itself() -> None:
    with serving(workers=3) as fleet:
        orphans = fleet.workers()
        os.kill(fleet.master_pid, signal.SIGKILL)
        wait_for(lambda: not any(map(is_running, orphans)), "the workers' end", timeout_s=2)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", fleet.port), timeout=5)


def test_a_successor_takes_over_and_nobody_hears_not_ready() -> None:
    """USR2, then TERM to the old master while its worker is asked whether it is ready."""
    with serving(workers=2, BERT_DRAIN_DELAY_S="30") as fleet, ThreadPoolExecutor(1) as pool:
        old = fleet.master_pid
        answer = asking(pool, fleet, LONG)
        os.kill(old, signal.SIGUSR2)
        wait_for(lambda: len(fleet.events("all workers ready")) == 2, "a successor")
        statuses: list[int] = []
        is_over = threading.Event()

        def ask() -> None:
            while not is_over.is_set():
                statuses.append(fleet.ask("/readyz").status)

        asker = threading.Thread(target=ask)
        asker.start()
        os.kill(old, signal.SIGTERM)
        wait_for(lambda: not is_running(old), "the old master's end", timeout_s=20)
        is_over.set()
        asker.join()
        assert answer.result(60) == 200
        assert set(statuses) == {200}
        fleet.master_pid = fleet.events("all workers ready")[-1]["pid"]
        assert len(fleet.workers()) == 2
        os.kill(fleet.master_pid, signal.SIGINT)  # without the delay
        wait_for(lambda: not is_running(fleet.master_pid), "the successor's end")


def test_a_successor_hands_back_and_nobody_hears_not_ready() -> None:
    """A rollback: USR2, then TERM to the new master. Each request is counted once, whichever fleet shows the page."""
    with serving(workers=2, BERT_DRAIN_DELAY_S="30") as fleet:

        def count(before: int) -> None:
            for number in range(before, before + 10):
                assert fleet.metric("bert_texts_total") == number
                assert fleet.metric("process_cpu_seconds_total") >= used_s
                assert fleet.ask("/predict", {"text": "a"}).status == 200

        used_s = fleet.metric("process_cpu_seconds_total")
        count(0)
        os.kill(fleet.master_pid, signal.SIGUSR2)
        wait_for(lambda: len(fleet.events("all workers ready")) == 2, "a successor")
        used_s = fleet.metric("process_cpu_seconds_total")
        count(10)
        os.kill(fleet.events("all workers ready")[-1]["pid"], signal.SIGTERM)
        while not fleet.events("successor ended"):
            assert fleet.ask("/readyz").status == 200
        assert fleet.events("successor ended")[0]["level"] == "info", "it was told to"
        assert fleet.metric("bert_last_reload_success") == 1
        count(20)
        os.kill(fleet.master_pid, signal.SIGTERM)
        wait_for(lambda: fleet.ask("/readyz").status == 503, "not ready, now that it is alone", timeout_s=5)
        os.kill(fleet.master_pid, signal.SIGINT)
        assert fleet.process.wait(20) == 0


def test_a_worker_that_somebody_tells_to_stop_is_replaced() -> None:
    with serving(workers=2) as fleet:
        told = fleet.workers()[0]
        os.kill(told, signal.SIGTERM)
        wait_for(lambda: not is_running(told), "its end", timeout_s=10)
        wait_for(lambda: fleet.metric("bert_workers_ready") == 2, "a successor", timeout_s=10)
        assert fleet.metric('bert_worker_restarts_total{reason="exit"}') == 1


def test_a_successor_that_cannot_serve_leaves_the_old_fleet_alone(tmp_path: Any) -> None:
    config = tmp_path / "own.toml"
    config.write_text("")
    with serving(workers=2, BERT_CONFIG=str(config)) as fleet:
        config.write_text("prot = 1")
        os.kill(fleet.master_pid, signal.SIGUSR2)
        told = wait_for(lambda: fleet.events("successor ended"), "its end")
        assert (told[0]["level"], told[0]["exit_code"]) == ("error", 1)
        assert fleet.metric('bert_reloads_total{result="refused"}') == 1
        assert fleet.metric("bert_last_reload_success") == 0
        assert fleet.ask("/readyz").status == 200
        config.write_text("")
        os.kill(fleet.master_pid, signal.SIGTERM)
        assert fleet.process.wait(20) == 0, "it drains as one that is alone"


def test_reloads_and_a_stop_in_between_are_heeded() -> None:
    with serving(workers=3) as fleet:
        for _ in range(3):
            os.kill(fleet.master_pid, signal.SIGHUP)
            time.sleep(0.4)
        fleet.reload()
        ready = [event["workers"] for event in fleet.events("all workers ready")]
        assert set(ready) == {3}
        os.kill(fleet.master_pid, signal.SIGHUP)
        os.kill(fleet.master_pid, signal.SIGTERM)
        assert fleet.process.wait(10) == 0
