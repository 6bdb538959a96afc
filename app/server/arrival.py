"""What the kernel knows of a connection: how long its request has waited, and whether anybody waits for the answer."""

from __future__ import annotations

import select
import socket
import sys
from typing import NamedTuple, Self

GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR
# In struct tcp_info of <linux/tcp.h>: tcpi_last_data_recv, milliseconds, after 8 bytes and 11 words; tcpi_state, the
# first byte, while neither side has ended it.
LAST_DATA_RECEIVED = slice(52, 56)
ESTABLISHED = 1


class Arrival(NamedTuple):
    """What the kernel knows of a connection."""

    waited_s: float
    """Seconds since its last bytes came, to a tick of the kernel's (4 ms as a rule); 0 over a unix socket."""
    is_over: bool
    """Whether the client has ended it, or only its own side of it: it waits for no answer."""

    @classmethod
    def of(cls, sock: socket.socket) -> Self:
        """As it is now."""
        try:
            told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_DATA_RECEIVED.stop)
        except (OSError, AttributeError):
            return cls(0.0, is_gone(sock))
        return cls(int.from_bytes(told[LAST_DATA_RECEIVED], sys.byteorder) / 1000, told[0] != ESTABLISHED)


def is_gone(sock: socket.socket) -> bool:
    """Whether the client has ended the connection, or only its own side of it: it waits for no answer."""
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return any(events & GONE for _, events in poll.poll(0))
