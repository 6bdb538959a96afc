"""Connections passed from a worker whose thread is busy to one whose thread is not.

A pair of sockets that the whole fleet shares: what one worker gives at the one end, whoever is idle takes at the other.
"""

from __future__ import annotations

import array
import os
import socket
from dataclasses import dataclass

import orjson

from .connection import RAW_BYTES, Connection

# What goes before the bytes.
TOLD_BYTES = 256


@dataclass(frozen=True, slots=True)
class Taken:
    """A connection that another worker gave: who it is, whether it was answered before, and what it has sent since."""

    sock: socket.socket
    client: tuple[str, str]
    is_used: bool
    raw: bytes


class Handing:
    """See the module. Make it before the fork."""

    def __init__(self) -> None:
        self._giving, self._taking = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._giving.settimeout(0)
        self._taking.settimeout(0)

    def fileno(self) -> int:
        """What can be read once there is something to take."""
        return self._taking.fileno()

    def close(self) -> None:
        """Nobody passes anything on any more."""
        self._giving.close()
        self._taking.close()

    def give(self, connection: Connection) -> bool:
        """Pass it on, with what it has sent since its last answer. False: it cannot be, or too many wait already."""
        if connection.raw is None or connection.unsent:
            return False
        # What a proxy has said first is among the bytes, until it is told of by them no more.
        client = connection.parser.client if connection.is_used else connection.peer
        told = orjson.dumps([*client, connection.is_used]) + b"\n"
        try:
            socket.send_fds(self._giving, [told, connection.raw], [connection.sock.fileno()])
        except OSError:
            return False
        return True

    def take(self) -> Taken | None:
        """Whoever waits longest; None if nobody does. Raises OSError if there is no descriptor for it."""
        os.close(os.dup(self._taking.fileno()))  # else the kernel would drop the one that comes
        try:
            data, ancillary, _, _ = self._taking.recvmsg(TOLD_BYTES + RAW_BYTES, socket.CMSG_SPACE(4))
        except OSError:
            return None
        descriptors = array.array("i")
        for _, _, sent in ancillary:
            descriptors.frombytes(sent)
        if not descriptors:
            return None
        told, _, raw = data.partition(b"\n")
        address, port, is_used = orjson.loads(told)
        return Taken(socket.socket(fileno=descriptors[0]), (address, port), is_used, raw)
