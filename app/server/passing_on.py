"""Connections passed from a worker whose thread is busy to one whose thread is not.

A pair of sockets that the whole fleet shares: what one worker gives at the one end, whoever is idle takes at the other,
the oldest first. So it is a queue of the kernel's, too: the one for those that somebody has looked at already.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
from dataclasses import dataclass

import orjson

from ..fleet.traffic import GIVEN, TAKEN, nobodys_row
from .arrival import Arrival
from .connection import RAW_BYTES, Connection

# What goes before the bytes.
TOLD_BYTES = 256


@dataclass(frozen=True, slots=True)
class Comer:
    """A connection that is taken up: who it is, whether it was answered before, and what was read of it since."""

    sock: socket.socket
    client: tuple[str, str]
    is_used: bool = False
    raw: bytes = b""


class Handing:
    """See the module. Make it before the fork."""

    def __init__(self) -> None:
        self._giving, self._taking = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._giving.settimeout(0)
        self._taking.settimeout(0)
        self.traffic = nobodys_row()
        """This process's row of the fleet's, where it counts whom it has GIVEN and TAKEN."""

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
        return self._send(connection.sock, client, connection.raw, is_used=connection.is_used)

    def give_unread(self, comer: Comer) -> bool:
        """Pass on a new one, of which nobody has read anything. False: too many wait already."""
        return self._send(comer.sock, comer.client, b"", is_used=False)

    def _send(self, sock: socket.socket, client: tuple[str, str], raw: bytes, *, is_used: bool) -> bool:
        told = orjson.dumps([*client, is_used]) + b"\n"
        try:
            socket.send_fds(self._giving, [told, raw], [sock.fileno()])
        except OSError:
            return False
        self.traffic[GIVEN] += 1
        return True

    def oldest_waited_s(self) -> float:
        """How long whoever waits longest has waited; 0 if nobody does."""
        try:
            _, ancillary, _, _ = self._taking.recvmsg(1, socket.CMSG_SPACE(4), socket.MSG_PEEK)
        except OSError:
            return 0.0
        with contextlib.ExitStack() as copies:
            found = [copies.enter_context(socket.socket(fileno=one)) for one in _descriptors(ancillary)]
            return max((Arrival.of(one).waited_s for one in found), default=0.0)

    def take(self) -> Comer | None:
        """Whoever waits longest; None if nobody does. Raises OSError if there is no descriptor for it."""
        os.close(os.dup(self._taking.fileno()))  # else the kernel would drop the one that comes
        try:
            data, ancillary, _, _ = self._taking.recvmsg(TOLD_BYTES + RAW_BYTES, socket.CMSG_SPACE(4))
        except OSError:
            return None
        self.traffic[TAKEN] += 1
        descriptors = _descriptors(ancillary)
        if not descriptors:
            return None
        told, _, raw = data.partition(b"\n")
        address, port, is_used = orjson.loads(told)
        return Comer(socket.socket(fileno=descriptors[0]), (address, port), is_used, raw)


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> array.array[int]:
    found = array.array("i")
    for _, _, sent in ancillary:
        found.frombytes(sent)
    return found
