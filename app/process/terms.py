"""By what terms a worker serves: what the settings say, and what gunicorn was told beside them."""

from __future__ import annotations

from typing import Any

from ..server.admission import Admission
from ..server.environ import Trust
from ..server.parser import Limits
from ..server.terms import Patience, Terms
from ..settings import Settings
from ..web.lean import App
from ..web.second_address import paths as never_refused


def terms_of(configuration: Any, settings: Settings, app: App) -> Terms:
    """`configuration`: gunicorn's, whose flags win where both say something."""
    line, fields, field_size = (
        configuration.limit_request_line,
        configuration.limit_request_fields,
        configuration.limit_request_field_size,
    )
    return Terms(
        limits=Limits(line, fields, field_size, settings.max_body_bytes),
        patience=Patience(settings.client_timeout_s, configuration.keepalive),
        connections=configuration.worker_connections,
        threads=configuration.threads,
        forwarders=Trust(configuration.forwarded_allow_ips),
        proxies=Trust(configuration.proxy_allow_ips),
        proxy_protocol=configuration.proxy_protocol,
        admission=Admission(settings.max_queue_ms / 1000, never_refused(app)),
    )
