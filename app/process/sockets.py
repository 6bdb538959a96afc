"""The addresses that a fleet listens on: free at its start, changed at a reload, closed at its end."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog
from gunicorn import sock

from ..errors import ConfigurationError

PATIENCE_S = 5.0
SO_ATTACH_FILTER = 26
# Berkeley packet filter over a TCP header: its flags; of those SYN and ACK; SYN alone: nothing of it, else all.
NO_SYN = [(0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF)]
log = structlog.get_logger("serve-bert")


def are_given(arbiter: Any) -> bool:
    """Whether the sockets come from an old master, or from systemd."""
    return bool(arbiter.master_pid or os.environ.get("LISTEN_FDS") or arbiter.cfg.reuse_port)


def why_not(address: Any, setting: str = "PORT") -> str | None:
    """Why nobody can listen on (host, port), or on a path, now; None if one can. `setting`: what names another."""
    if not isinstance(address, tuple):
        return _why_not_path(address)
    host, port = address[:2]
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(place)
            trial.listen(1)
    except OSError as error:
        is_taken = error.errno == errno.EADDRINUSE
        why = f"it is in use; {setting} names another" if is_taken else error.strerror or error
        return f"cannot listen on {host}:{port}: {why}"
    return None


def _why_not_path(path: str) -> str | None:
    """gunicorn would take the path from whoever listens there."""
    if not path.startswith("\0") and not Path(path).parent.is_dir():
        return f"cannot listen on {path}: there is no such folder"
    try:
        with socket.socket(socket.AF_UNIX) as trial:
            trial.connect(path)
    except OSError:
        return None
    return f"cannot listen on {path}: it is in use"


def await_free(addresses: Mapping[Any, str]) -> str | None:
    """Why one of them cannot be had, even after PATIENCE_S, in which a predecessor may end; None if all can.

    `addresses`: each with the setting that names another.
    """
    began_s, is_told = time.monotonic(), False
    while reasons := [why for address, setting in addresses.items() if (why := why_not(address, setting))]:
        if time.monotonic() > began_s + PATIENCE_S:
            return reasons[0]
        if not is_told:
            log.info("waiting for an address", reason=reasons[0], at_most_s=PATIENCE_S)
            is_told = True
        time.sleep(0.1)
    return None


def opened(listeners: Sequence[Any], configuration: Any, logger: Any) -> list[Any]:
    """The sockets for a reloaded configuration: those that there are where the address is the same, else new ones.

    Raises ConfigurationError, with nothing changed, if one cannot be had.
    """
    kept = {listener.cfg_addr: listener for listener in listeners}
    made: dict[Any, Any] = {}
    reasons = [why for address in configuration.address if address not in kept and (why := why_not(address))]
    if reasons:
        raise ConfigurationError(reasons[0])
    try:
        for address in configuration.address:
            if address not in kept:
                made[address] = sock._sock_type(address)(address, configuration, logger)
    except (OSError, ValueError) as error:
        remember(list(made.values()))
        close(list(made.values()))
        raise ConfigurationError(f"cannot listen on {address}: {error}") from None
    remember(list(made.values()))
    return [(kept | made)[address] for address in configuration.address]


def remember(listeners: Sequence[Any]) -> None:
    """Note which file on disk each unix socket is, so that nobody else's is removed for it."""
    for listener in listeners:
        with contextlib.suppress(OSError, TypeError, ValueError):
            listener.file = Path(listener.getsockname()).stat()


def close(listeners: Sequence[Any], *, and_unlink: bool = True) -> None:
    """Close them here, and remove the files of unix sockets that are still theirs."""
    for listener in listeners:
        path, file = listener.getsockname(), vars(listener).get("file")
        listener.close()
        if and_unlink and file:
            with contextlib.suppress(OSError):
                if os.path.samestat(Path(path).stat(), file):
                    Path(path).unlink()


def let_nobody_new(listeners: Sequence[Any]) -> None:
    """Have the kernel overlook who knocks from now on; who has been heard already still comes in.

    A client that is overlooked knocks again after a second, and is refused then.
    """
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in NO_SYN))
    attached = struct.pack("HL", len(NO_SYN), ctypes.addressof(program))
    for listener in listeners:
        with contextlib.suppress(OSError):  # a sandbox that has no filters
            if listener.sock.family != socket.AF_UNIX:
                listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, attached)


def refuse(listeners: Sequence[Any]) -> None:
    """Have the kernel refuse who comes from now on, whoever else still holds these sockets open."""
    for listener in listeners:
        with contextlib.suppress(OSError):  # not every kind can be
            listener.shutdown(socket.SHUT_RDWR)
