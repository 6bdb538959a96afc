"""The process model: how many workers, threads, what happens at fork, boot and death.

The order of a start: settings are read (a bad one ends it here), the model is found and verified, what all workers
need is imported, made and rehearsed, and only then the master listens and forks. Each worker maps the weights as its
own (or, where torch is the engine, loads them), checks itself against the reference's vectors, says on the board that
it is ready, and then accepts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from ..fleet import streams
from ..fleet import threads as arithmetic

streams.open_closed()
arithmetic.pin()

import structlog  # noqa: E402

from .. import names  # noqa: E402
from .. import settings as all_settings  # noqa: E402
from ..errors import ConfigurationError  # noqa: E402
from ..fleet import boot, cores, logs  # noqa: E402
from ..server.worker import Worker  # noqa: E402
from ..settings import Settings  # noqa: E402
from . import life  # noqa: E402
from .master import Master  # noqa: E402

log = structlog.get_logger("serve-bert")


def configuration(flags: Mapping[str, str] | None = None) -> dict[str, Any]:
    """gunicorn's settings and hooks, at a start and at each reload; `flags`: settings that win over the environment.

    Ends the process with one line if a setting cannot be used, save at a reload: that is refused then (`boot.refused`).
    """
    boot.refused = ""
    try:
        settings, origins = all_settings.load_with_origins(flags=flags)
    except ConfigurationError as error:
        if boot.in_force is None:
            sys.exit(logs.last_words(error, all_settings.wanted_log_format(os.environ, flags)))
        boot.refused = str(error)
        settings, origins = boot.in_force
    boot.in_force = (settings, origins)
    logs.configure(settings)
    for name, why in names.retired(os.environ).items():
        log.warning(f"{name} does nothing any more", reason=why)
    return _gunicorn_settings(settings) | Master(settings, origins).hooks() | life.hooks()


def _gunicorn_settings(settings: Settings) -> dict[str, Any]:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    trusted = settings.trusted_proxies
    trusting = {"forwarded_allow_ips": trusted, "proxy_allow_ips": trusted} if trusted else {}
    return {
        **trusting,
        "proxy_protocol": settings.proxy_protocol,
        "bind": f"{host}:{settings.port}",
        "workers": _workers(settings),
        "worker_class": Worker,
        "threads": settings.threads if settings.is_shared else 1,
        "timeout": settings.timeout_s,
        "graceful_timeout": settings.graceful_timeout_s,
        "keepalive": settings.keep_alive_s,
        "loglevel": settings.log_level,
        "logger_class": logs.GunicornLogger,
        "logconfig_dict": logs.gunicorn_config(settings),
        "proc_name": "serve-bert",
        # Its socket is one file for all instances of a user, and a second instance removes the first's.
        "control_socket_disable": True,
        # The scheme is used nowhere, and headers that contradict each other would be refused.
        "secure_scheme_headers": {},
    }


def _workers(settings: Settings) -> int:
    if settings.is_shared:
        return 1
    return cores.usable() if settings.workers == "auto" else settings.workers
