"""A second address, where the workers' attendants answer probes, info and metrics (BERT_ADMIN_BIND)."""

from __future__ import annotations

import socket
from typing import Any

from gunicorn import util

from ..errors import ConfigurationError


def join(configuration: Any, bind: str) -> None:
    """Have gunicorn listen there too, whatever else it is told to (-b). Raises ConfigurationError."""
    if not bind:
        return
    if util.parse_address(bind) in configuration.address:
        raise ConfigurationError(f"BERT_ADMIN_BIND: {bind} is where the service itself listens")
    configuration.set("bind", [*configuration.bind, bind])


def settings_of(configuration: Any, bind: str) -> dict[Any, str]:
    """Each address, and the setting that names it."""
    own = util.parse_address(bind) if bind else None
    return {address: "BERT_ADMIN_BIND" if address == own else "PORT" for address in configuration.address}


def is_at(listener: Any, bind: str) -> bool:
    """Whether a socket of gunicorn's, which may come from an old master or from systemd, is at that address."""
    if not bind:
        return False
    wanted = util.parse_address(bind)
    if not isinstance(wanted, tuple):
        return bool(listener.getsockname() == wanted)
    try:
        found = socket.getaddrinfo(wanted[0], wanted[1], type=socket.SOCK_STREAM)
    except OSError:
        return False
    return listener.getsockname()[:2] in [place[:2] for *_, place in found]
