"""The kernel's queue looked through while nobody here can answer: else probes would wait for those who wait.

Probes are let in and answered; so is who has waited for too long, to be told so. All others are passed on, unread, to
whoever is free next, in their order. If some worker is free there is nobody to be found.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable

from .admission import Admission
from .arrival import Arrival
from .connection import Connection
from .door import Door
from .passing_on import Handing

# As many as are dealt with in a few milliseconds, for the thread that answers may come back meanwhile.
MOST_AT_ONCE = 64
# The longest request line of a probe, behind a line of the PROXY protocol.
PEEKED_BYTES = 256


class Sorting:
    """See the module. `let_in`: has the loop deal with a connection."""

    def __init__(
        self, door: Door, handing: Handing, admission: Admission, let_in: Callable[[Connection], None]
    ) -> None:
        self._door = door
        self._handing = handing
        self._admission = admission
        self._let_in = let_in
        self._probe = probe_pattern(admission.exempt)

    def look_through(self) -> None:
        """See the module; so many at most. Raises NoDescriptorError."""
        for descriptor in self._door.listeners:
            for _ in range(MOST_AT_ONCE):
                if not self._sort_one(descriptor):
                    break
        for _ in range(MOST_AT_ONCE):
            if not self._admission.is_too_old(self._handing.oldest_waited_s()):
                break
            if taken := self._door.let_in(self._handing.fileno()):
                self._let_in(taken)

    def _sort_one(self, descriptor: int) -> bool:
        """Whether it is worth while to go on."""
        comer = self._door.take(descriptor)
        if not comer:
            return False
        is_for_here = self._is_probe(comer.sock) or self._admission.is_too_old(Arrival.of(comer.sock).waited_s)
        if not is_for_here and self._handing.give_unread(comer):
            comer.sock.close()
            return True
        self._let_in(self._door.connection(comer))
        return is_for_here

    def _is_probe(self, sock: socket.socket) -> bool:
        try:
            return bool(self._probe.match(sock.recv(PEEKED_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)))
        except OSError:
            return False


def probe_pattern(paths: Iterable[str]) -> re.Pattern[bytes]:
    """What begins a request for one of these paths, or a browser's question before another."""
    alternatives = "|".join(map(re.escape, sorted(paths))) or "(?!)"
    return re.compile(rf"(?:PROXY [^\r\n]*\r\n)?(?:OPTIONS /|(?:GET|HEAD) (?:{alternatives})[ ?])".encode())
