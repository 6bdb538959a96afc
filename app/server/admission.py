"""Whether a request is still to be answered once it is taken off the kernel's queue: by how long it has waited.

Refused by age, ten workers need to know nothing of each other, nor of a rate, nor of the queue's length: whoever takes
one that is too old says so at once, and takes the next.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..request_errors import DeadlineError, OverloadedError, RequestError
from .environ import Environ

TIMEOUT = "HTTP_X_REQUEST_TIMEOUT_MS"
"""WSGI's name of the header in which a request says how long its client waits, from the request's last byte on."""
TIMEOUT_MS = re.compile(r"[1-9]\d{0,8}")
# What is told one is told others for so long.
RETRY_AFTER_S = 0.25


@dataclass
class Admission:
    """See the module. `max_queue_s`: how long a request may wait; 0: as long as it likes."""

    max_queue_s: float = 0.0
    exempt: frozenset[str] = frozenset()
    """Paths of probes and the like, which are answered however long they have waited."""
    find_retry_after_s: Callable[[], int] = lambda: 1
    _overloaded: OverloadedError | None = None
    _found_s: float = 0.0

    def is_exempt(self, environ: Environ) -> bool:
        """Whether it is answered however long it has waited: a probe, or a browser's question, which take no time."""
        return environ["PATH_INFO"] in self.exempt or environ["REQUEST_METHOD"] == "OPTIONS"

    def refusal(self, environ: Environ, waited_s: float) -> RequestError | None:
        """Why a request that has waited so long is not answered; None: it is."""
        if self.is_exempt(environ):
            return None
        if TIMEOUT in environ and waited_s >= (own_s := timeout_s(environ) or waited_s + 1):
            return DeadlineError(own_s)
        if self.is_too_old(waited_s):
            return self._refusal()
        return None

    def is_too_old(self, waited_s: float) -> bool:
        """Whether a request without a deadline of its own has waited too long."""
        return 0 < self.max_queue_s < waited_s

    def _refusal(self) -> OverloadedError:
        """The same for all for a moment."""
        now_s = time.monotonic()
        if not self._overloaded or now_s >= self._found_s + RETRY_AFTER_S:
            self._found_s = now_s
            self._overloaded = OverloadedError(self.max_queue_s, self.find_retry_after_s())
        return self._overloaded


def timeout_s(environ: Environ) -> float | None:
    """How long its client waits for a request; None if it does not say, or not so that it can be read."""
    told = environ.get(TIMEOUT, "")
    return int(told) / 1000 if TIMEOUT_MS.fullmatch(told) else None
