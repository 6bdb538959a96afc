"""What the loop is told: by what terms clients are served, and by whom."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..fleet.metrics.register import Metrics
from ..fleet.traffic import nobodys_row
from ..request_errors import RequestError
from .admission import Admission
from .environ import Trust
from .parser import Limits


@dataclass(frozen=True)
class Patience:
    """How long a client may take, in seconds, to send a request or to take its answer, and to ask again (0: not)."""

    client_s: float
    keep_alive_s: float


@dataclass(frozen=True)
class Terms:
    """What holds for every connection."""

    limits: Limits
    patience: Patience
    connections: int
    """How many at most; for another one, who is nearest to his end has to go."""
    threads: int
    """Requests that are answered at a time."""
    forwarders: Trust
    """Who may send X-Forwarded-For."""
    proxies: Trust
    """Who may speak the PROXY protocol."""
    proxy_protocol: str
    """"off", "v1", "v2" or "auto"."""
    admission: Admission = field(default_factory=Admission)
    """Who is answered, and who is too late."""
    traffic: memoryview = field(default_factory=nobodys_row)
    """The row of ../fleet/traffic.py in which this is counted."""
    is_for_admin: bool = False
    """Whether these are the attendant's clients."""

    def of_attendant(self) -> Terms:
        """Of who asks at an address of its own: nobody is refused there, or counted."""
        return replace(self, threads=1, is_for_admin=True, admission=Admission(), traffic=nobodys_row())


class Host(Protocol):
    """The worker: its application (PEP 3333), what counts its refusals, and whether it goes on."""

    @property
    def wsgi(self) -> Callable[..., Any]:
        """See PEP 3333."""
        ...

    @property
    def metrics(self) -> Metrics | None:
        """Where refusals are counted."""
        ...

    @property
    def routes(self) -> Container[str]:
        """Paths that the application has, and metrics may name."""
        ...

    def allow(self, origin: str) -> Iterable[tuple[str, str]]:
        """Headers by which a browser lets the page of that origin read an answer."""
        ...

    @property
    def is_serving(self) -> bool:
        """Whether it is to go on."""
        ...

    @property
    def is_draining(self) -> bool:
        """Whether the whole fleet is about to end: whoever waits is to be answered, and nobody to be kept."""
        ...

    @property
    def has_siblings(self) -> bool:
        """Whether others serve on, to whom clients can be passed."""
        ...

    def count_request(self) -> None:
        """One more is answered."""
        ...

    def tell(self, path: str, error: RequestError, request_id: str) -> bytes:
        """The body that says so, as it is said where `path` is asked: JSON."""
        ...
