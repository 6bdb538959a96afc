"""A request's head as WSGI has it (PEP 3333), and whom to believe about where it came from."""

from __future__ import annotations

import ipaddress
import re
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote, unquote_to_bytes

import httptools

from .http_faults import Refused

# Names of headers that clients really send are turned into WSGI's names once.
KNOWN_NAMES = 256
LOGGED_PATH_CHARS = 200
# Long enough for every tracing system; no character that could forge a log line or a header.
SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
FOR_ADMIN = "serve-bert.is_for_admin"
"""Whether a request came to the address of which only probes, info and metrics are served."""
Fields = Sequence[tuple[bytes, bytes]]
Environ = dict[str, Any]
"""Of one request, see PEP 3333."""


class Trust:
    """Addresses that may say where a request came from: "*", or addresses and networks as gunicorn takes them."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._all = "*" in addresses
        self._networks = [ipaddress.ip_network(each, strict=False) for each in addresses if each != "*"]

    def __contains__(self, address: str) -> bool:
        """Whether it is one of them. Who comes over a unix socket has no address, and is on this machine."""
        if self._all or not address:
            return True
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network or found in network for network in self._networks)


@dataclass(frozen=True, slots=True)
class Target:
    """What stands between the method and the version."""

    raw: bytes

    def put(self, environ: Environ) -> None:
        """Its path and query. Raises Refused."""
        if not self.raw.isascii():
            raise Refused("its target has bytes that must be percent-encoded")
        target = self.raw
        environ["RAW_URI"] = environ["REQUEST_URI"] = target.decode("ascii")
        if not target.startswith((b"/", b"*")) and environ["REQUEST_METHOD"] != "CONNECT":
            try:
                url = httptools.parse_url(target)  # http://host/path, as to a proxy
            except httptools.HttpParserInvalidURLError:
                raise Refused("its target is no path") from None
            target = (url.path or b"/") + (b"?" + url.query if url.query else b"")
        path, _, query = target.partition(b"#")[0].partition(b"?")
        environ["QUERY_STRING"] = query.decode("ascii")
        environ["PATH_INFO"] = (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1")


class Head:
    """Makes the environ of each request of one connection.

    `base`: what all connections to one listener have in common; `client`: address and port, or none; `trusted`: who
    may put X-Forwarded-For before us.
    """

    _names: ClassVar[dict[bytes, str]] = {}

    def __init__(self, base: dict[str, Any], client: tuple[str, str], trusted: Trust) -> None:
        self._base = base
        self.client = client
        self._trusted = trusted

    def environ(self, method: bytes, target: Target, version: str, fields: Fields) -> dict[str, Any]:
        """The environ, without its body. Raises Refused."""
        environ = self._base.copy()
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = self.client
        environ["REQUEST_METHOD"] = method.decode("latin-1")
        environ["SERVER_PROTOCOL"] = f"HTTP/{version}"
        if version not in ("1.0", "1.1"):
            raise Refused(f"this service speaks HTTP/1.1, not HTTP/{version}", 505)
        target.put(environ)
        self._put_fields(environ, fields)
        self._check(environ)
        return environ

    def _put_fields(self, environ: Environ, fields: Fields) -> None:
        hosts = types = 0
        for name, value in fields:
            key = self._names.get(name) or self._name(name)
            if not key:
                continue
            hosts += key == "HTTP_HOST"
            types += key == "CONTENT_TYPE"
            text = value.decode("latin-1")
            environ[key] = f"{environ[key]},{text}" if key in environ and key not in self._base else text
        if hosts > 1 or types > 1 or (not hosts and environ["SERVER_PROTOCOL"] == "HTTP/1.1"):
            which = "Content-Type" if types > 1 else "Host"
            raise Refused(f"it has {types if types > 1 else hosts} {which} header fields, and must have one")

    def _name(self, name: bytes) -> str:
        """WSGI's name; none for one with an underscore, which WSGI could not tell from the one with a hyphen."""
        key = "" if b"_" in name else name.decode("latin-1").upper().replace("-", "_")
        key = key if key in ("", "CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key
        if len(self._names) < KNOWN_NAMES:
            self._names[name] = key
        return key

    def _check(self, environ: Environ) -> None:
        """Raise Refused at what we cannot do; believe a proxy about its client."""
        coding = environ.get("HTTP_TRANSFER_ENCODING", "chunked").strip().lower()
        if coding != "chunked":
            raise Refused("its Transfer-Encoding is another than chunked", 501)
        if "HTTP_TRANSFER_ENCODING" in environ and environ["SERVER_PROTOCOL"] == "HTTP/1.0":
            raise Refused("HTTP/1.0 has no Transfer-Encoding")
        if environ.get("HTTP_EXPECT", "100-continue").lower() != "100-continue":
            raise Refused("it expects something else than 100-continue", 417)
        if "HTTP_X_FORWARDED_FOR" in environ and self.client[0] in self._trusted:
            environ["REMOTE_ADDR"] = self._first_untrusted(environ["HTTP_X_FORWARDED_FOR"])

    def _first_untrusted(self, forwarded: str) -> str:
        """From the right, for anybody may have written what stands on the left."""
        hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
        return next((hop for hop in reversed(hops) if hop not in self._trusted), hops[0] if hops else self.client[0])


def base_environ(listener: Any, *, is_threaded: bool = False, is_for_admin: bool = False) -> dict[str, Any]:
    """What all requests to a listener have in common; `listener`: its address as `getsockname` tells it."""
    host, port = listener[:2] if isinstance(listener, tuple) else ("localhost", "")
    return {
        "SERVER_SOFTWARE": "serve-bert",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SCRIPT_NAME": "",
        FOR_ADMIN: is_for_admin,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,
        "wsgi.multithread": is_threaded,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def logged_path(path: str | bytes) -> str:
    """As it stands in a line of the log, which it cannot forge."""
    return quote(path)[:LOGGED_PATH_CHARS]


def request_id_of(environ: Environ) -> str:
    """What the client calls its request, or a new name, if it has none or one that cannot stand in a log line."""
    given = environ.get("HTTP_X_REQUEST_ID", "")
    return given if SANE_REQUEST_ID.fullmatch(given) else new_request_id()


def new_request_id() -> str:
    """Nobody else's."""
    return secrets.token_hex(16)
