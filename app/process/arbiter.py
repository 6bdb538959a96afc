"""gunicorn's master, made to survive what befalls it: births that fail, reloads, a successor, its own end.

Stock gunicorn stops the healthy workers when one cannot boot, ends when it cannot fork, stops the old before the new
are ready, waits inside of a reload, and resets whoever waits at its end. This one never waits in its loop. All that
is overridden stands in this class, written for BUILT_FOR; who is born and told to stop is said in
app/fleet/succession.py; reloads, births, successors and the end have a module each beside this.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import Any, Never

import structlog
from gunicorn.arbiter import Arbiter as Stock
from gunicorn.workers import base

from ..fleet import boot, cores, logs, memory
from ..fleet.heartbeat import Heartbeat
from ..fleet.succession import Member, Succession
from . import births, ending, forking, handover, notices, reload
from .handover import Handover
from .reload_child import ReloadChild

BUILT_FOR = "27.0.1"
log = structlog.get_logger("serve-bert")


class Arbiter(Stock):  # type: ignore[misc]
    """See the module."""

    LISTENERS: list[Any]
    reexec_pid: int
    handover: Handover | None
    reload_child: ReloadChild | None

    @classmethod
    def adopt(cls, server: Any) -> None:
        """Make gunicorn's own arbiter one of these; call it in `on_starting`, before it listens."""
        server.__class__ = cls
        base.WorkerTmp = Heartbeat
        server.succession = Succession()
        server.in_force = boot.in_force
        server.drain = None
        server.reload_child = None
        server.take = None
        server.handover = handover.inherited()
        server.is_halting = False

    def members(self) -> list[Member]:
        """The living workers."""
        return [Member(worker.age, self.board.state(worker.slot), worker.is_told) for worker in self.WORKERS.values()]

    def manage_workers(self) -> None:
        """One turn: births and stops that are due; the end, once nobody waits for it any more."""
        if self.drain and self.drain.is_over(time.monotonic(), ending.waiting(self)):
            raise StopIteration
        # Beside another fleet that serves, one at a time: ten that load take the processor from whoever is asked.
        most_loading = 1 if self.master_pid else cores.usable()
        step = self.succession.step(self.members(), self.num_workers, most_loading, time.monotonic())
        for worker in [one for one in self.WORKERS.values() if one.age in step.stops]:
            births.ask_to_stop(self, worker)
        for _ in range(step.births):
            self.spawn_worker()
        if step.is_complete:
            since_s = round(time.monotonic() - boot.started, 2)
            log.info("all workers ready", workers=self.num_workers, since_start_s=since_s)
            notices.ready(self, f"{self.num_workers} workers ready")
            if self.handover:
                self.handover.say(handover.SERVES)

    def wait_for_signals(self, timeout: float = 1.0) -> list[int]:
        """Look again earlier where something is due that no signal tells."""
        logs.flush()
        self.processor_time.look(self.WORKERS)
        memory.tell_of_master(self.board)
        now_s = time.monotonic()
        timeout = min(timeout, self.succession.next_look_s(self.members(), self.num_workers, now_s))
        if self.drain:
            timeout = min(timeout, self.drain.next_look_s(now_s))
        found: list[int] = super().wait_for_signals(timeout)
        return found

    def spawn_worker(self) -> int:
        """A birth; what fails in it does not end the fleet."""
        return births.bear(self)

    def reap_workers(self) -> None:
        """Bury every child that is dead; an orphan of somebody else's too, where this is process 1."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self.reexec_pid:
                self._bury_successor(status)
            elif self.reload_child and pid == self.reload_child.pid:
                reload.finish(self, status)
            elif pid in self.WORKERS:
                births.bury(self, self.WORKERS.pop(pid), status)

    def reload(self) -> None:
        """HUP."""
        reload.begin(self)

    def reexec(self) -> None:
        """Start a new master beside this one (USR2)."""
        if self.reexec_pid or self.master_pid:
            log.warning("USR2 ignored: there is another master already", other_pid=self.reexec_pid or self.master_pid)
            return
        master_pid = os.getpid()
        try:
            own, others = socket.socketpair()
            self.reexec_pid = os.fork()
            if not self.reexec_pid:
                handover.execute(self, others, master_pid)
        except OSError as error:
            log.error("no successor", **forking.error_facts(error))
            if os.getpid() != master_pid:
                os._exit(1)
            return
        others.close()
        self.handover = Handover(own, other_serves=False)

    def _bury_successor(self, status: int) -> None:
        self.reexec_pid = 0
        if self.handover:
            self.handover.close()
        self.handover = None
        if status:
            log.error("successor ended", **forking.how(status))
            reload.note(self, is_done=False)
        else:
            log.info("successor ended", **forking.how(status))

    def handle_term(self) -> None:
        """Not ready; answer on for the drain delay, and while anybody waits; a second one ends it at once."""
        ending.begin(self, boot.drain_delay_s())

    def handle_int(self) -> None:
        """As TERM, without the delay."""
        ending.begin(self, 0)

    def handle_quit(self) -> None:
        """At once."""
        ending.stop(self, graceful=False)
        raise StopIteration

    def handle_winch(self) -> None:
        """In the background: no workers, until a reload; gunicorn's own would not tell them."""
        if self.cfg.daemon:
            self.num_workers = 0

    def stop(self, graceful: bool = True) -> None:  # noqa: FBT001, FBT002 - the signature is gunicorn's
        """Tell the workers, close, and wait until all are gone."""
        ending.stop(self, graceful=graceful)

    def halt(self, reason: str | None = None, exit_status: int = 0) -> Never:
        """Stop, say so in one line, and end."""
        self.stop()
        say = log.error if exit_status else log.info
        say("fleet ended", exit_status=exit_status, **({"reason": reason} if reason else {}))
        if self.pidfile is not None:
            self.pidfile.unlink()
        self.cfg.on_exit(self)
        sys.exit(exit_status)
