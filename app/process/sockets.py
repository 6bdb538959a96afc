"""The addresses that a fleet listens on: free at its start, changed at a reload, closed at its end."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from collections.abc import Sequence
from typing import Any

import structlog
from gunicorn import sock

PATIENCE_S = 5.0
log = structlog.get_logger("serve-bert")


def why_not(address: Any) -> str | None:
    """Why nobody can listen on (host, port) now; None if one can, or if it is a path or an open descriptor."""
    if not isinstance(address, tuple):
        return None
    host, port = address[:2]
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(place)
            trial.listen(1)
    except OSError as error:
        is_taken = error.errno == errno.EADDRINUSE
        why = "it is in use; PORT names another" if is_taken else error.strerror or error
        return f"cannot listen on {host}:{port}: {why}"
    return None


def are_given(arbiter: Any) -> bool:
    """Whether the sockets come from an old master, or from systemd."""
    return bool(arbiter.master_pid or os.environ.get("LISTEN_FDS") or arbiter.cfg.reuse_port)


def await_free(addresses: Sequence[Any]) -> str | None:
    """Why one of them cannot be had, even after PATIENCE_S, in which a predecessor may end; None if all can."""
    until_s = time.monotonic() + PATIENCE_S
    while reasons := [why for why in map(why_not, addresses) if why]:
        if time.monotonic() > until_s:
            return reasons[0]
        time.sleep(0.1)
    return None


def renewed(listeners: list[Any], before: Any, configuration: Any, logger: Any) -> list[Any]:
    """The sockets of a reloaded configuration: the old ones if its addresses are the same, or cannot be had."""
    if before.address == configuration.address:
        return listeners
    reasons = [why for why in map(why_not, configuration.address) if why]
    if reasons:
        log.error("the old address stays", reason=reasons[0])
        configuration.set("bind", before.bind)
        return listeners
    for listener in listeners:
        listener.close()
    found: list[Any] = sock.create_sockets(configuration, logger)
    log.info("listening", addresses=[str(listener) for listener in found])
    return found


def refuse(listeners: list[Any]) -> None:
    """Have the kernel refuse who comes from now on, whoever else still holds these sockets open."""
    for listener in listeners:
        with contextlib.suppress(OSError):  # not every kind can be
            listener.shutdown(socket.SHUT_RDWR)
