"""The other workers: what they are given while nobody can answer here, and when this one ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .clients import Clients
from .connection import Connection
from .desk import Desk
from .door import NoDescriptorError
from .passing_on import Handing
from .sorting import Sorting
from .terms import Host


class Siblings:
    """See the module. `handing` and `sorting`: None where there are none."""

    def __init__(self, host: Host, clients: Clients, desk: Desk, handing: Handing | None, sorting: Sorting | None):
        self._host = host
        self._clients = clients
        self._desk = desk
        self._handing = handing
        self._sorting = sorting

    @contextmanager
    def instead(self) -> Iterator[None]:
        """Nobody can answer here meanwhile: what has come whole is passed on."""
        try:
            self._desk.pass_on = self._handing.give if self._handing and self._host.is_serving else _keep
            yield
        finally:
            self._desk.pass_on = None

    def look_through(self) -> None:
        """The kernel's queue, for probes and for those who are too late."""
        if self._sorting and self._host.is_serving:
            try:
                self._sorting.look_through()
            except NoDescriptorError:
                self._clients.give_up_one()

    def take_over(self) -> None:
        """Whoever sends, or is kept: another worker can go on."""
        give = self._handing.give if self._handing else _keep
        for connection in self._clients:
            if not (connection.is_working or connection.is_closing) and give(connection):
                self._clients.close(connection)


def _keep(_connection: Connection) -> bool:
    """Nobody else takes it."""
    return False
