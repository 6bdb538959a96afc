"""What a proxy says first of all about the client for whom it opened a connection: the PROXY protocol, 1 and 2.

Where it ends is found here, as its bytes may come in pieces; what it says is read by gunicorn's parser.
"""

from __future__ import annotations

from gunicorn.asgi.parser import ParseError, PythonProtocol

from .environ import Head
from .http_faults import Refused

LINE = b"PROXY "
LINE_BYTES = 107
BINARY = b"\r\n\r\n\0\r\nQUIT\n"
BINARY_HEAD_BYTES = 16


class Preface:
    """At the start of one connection, before `head` is asked for anything.

    `mode`: "v1", "v2" or "auto", as gunicorn's proxy_protocol; `is_trusted`: whether its address may say such a thing.
    """

    def __init__(self, mode: str, head: Head, *, is_trusted: bool) -> None:
        self._mode = mode
        self._head = head
        self._is_trusted = is_trusted
        self._bytes = b""
        self._is_over = False

    def take(self, data: bytes) -> bytes:
        """Of what has come, all that is HTTP. Raises Refused."""
        if self._is_over:
            return data
        self._bytes += data
        length = self._length()
        if length is None or len(self._bytes) < length:
            return b""
        self._is_over = True
        if length:
            self._read(self._bytes[:length])
        return self._bytes[length:]

    def _length(self) -> int | None:
        """Its bytes; 0 if there is none, None if that cannot be told yet."""
        begun = self._bytes
        if self._mode != "v1" and BINARY.startswith(begun[: len(BINARY)]):
            return BINARY_HEAD_BYTES + int.from_bytes(begun[14:16]) if len(begun) >= BINARY_HEAD_BYTES else None
        if self._mode != "v2" and LINE.startswith(begun[: len(LINE)]):
            end = begun.find(b"\r\n", 0, LINE_BYTES)
            if end < 0 and len(begun) >= LINE_BYTES:
                raise Refused("its PROXY line does not end")
            return end + 2 if end > 0 else None
        return 0

    def _read(self, preface: bytes) -> None:
        if not self._is_trusted:
            raise Refused("it begins with a PROXY header, which this address is not trusted with", 403)
        reader = PythonProtocol(proxy_protocol=self._mode)
        try:
            reader.feed(preface)
        except ParseError as error:
            raise Refused(f"its PROXY header cannot be read: {error}") from None
        told = reader.proxy_protocol_info
        if told and told["client_addr"]:
            self._head.client = (told["client_addr"], str(told["client_port"]))
