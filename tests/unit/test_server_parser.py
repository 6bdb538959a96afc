"""Bytes to requests: what is taken, what is refused and why, whole or in pieces of any size."""

from __future__ import annotations

from typing import Any

import pytest

from app.server.connection import RECEIVED_BYTES
from app.server.environ import Head, Trust, base_environ
from app.server.parser import HEAD_BYTES, Limits, Parser
from app.server.proxied import Preface

LIMITS = Limits(line_bytes=4094, fields=100, field_bytes=8190, body_bytes=1000)
HOST = b"Host: x\r\n"
POST = b"POST /p HTTP/1.1\r\n" + HOST
NEXT = b"GET /b HTTP/1.1\r\n" + HOST + b"\r\n"
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

# What comes out: method, path, CONTENT_LENGTH, body, whether the connection may be kept.
TAKEN: dict[str, tuple[bytes, list[tuple[Any, ...]]]] = {
    "escapes": (b"GET /a%20b?x=1 HTTP/1.1\r\n" + HOST + b"\r\n", [("GET", "/a b", "0", b"", True)]),
    "three at once": (NEXT * 3, [("GET", "/b", "0", b"", True)] * 3),
    "a body": (POST + b"Content-Length: 5\r\n\r\nhello", [("POST", "/p", "5", b"hello", True)]),
    "chunks, and another": (
        CHUNKED + b"2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n" + NEXT,
        [("POST", "/p", "5", b"hello", True), ("GET", "/b", "0", b"", True)],
    ),
    "a trailer": (CHUNKED + b"5\r\nhello\r\n0\r\nHost: y\r\n\r\n", [("POST", "/p", "5", b"hello", True)]),
    "more than the limit": (POST + b"Content-Length: 5000\r\n\r\nhello", [("POST", "/p", "5000", b"", False)]),
    "much more, expecting": (
        POST + b"Expect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n",
        [("POST", "/p", "1000000000", b"", False)],
    ),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\n\r\n", [("GET", "/", "0", b"", False)]),
    "HTTP/1.0, kept": (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", [("GET", "/", "0", b"", True)]),
    "the last": (b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n" + NEXT, [("GET", "/", "0", b"", False)]),
    "absolute": (b"GET http://x/y?z=1 HTTP/1.1\r\n" + HOST + b"\r\n", [("GET", "/y", "0", b"", True)]),
    "empty lines before": (b"\r\n\r\n" + NEXT, [("GET", "/b", "0", b"", True)]),
    "an upgrade is passed over": (
        POST + H2C + b"Content-Length: 5\r\n\r\nhello" + NEXT,
        [("POST", "/p", "5", b"hello", True), ("GET", "/b", "0", b"", True)],
    ),
    "an upgrade without a body": (
        b"GET /p HTTP/1.1\r\n" + HOST + H2C + b"\r\n" + NEXT,
        [("GET", "/p", "0", b"", True), ("GET", "/b", "0", b"", True)],
    ),
    "a tunnel is none": (b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n" + NEXT, [("CONNECT", "a:1", "0", b"", False)]),
}

REFUSED: dict[str, tuple[bytes, int, str]] = {
    "no request": (b"nonsense\r\n\r\n", 400, "Invalid method"),
    "lower case": (b"get / HTTP/1.1\r\n" + HOST + b"\r\n", 400, "Invalid method"),
    "a version to come": (b"GET / HTTP/9.9\r\n\r\n", 400, "Invalid HTTP version"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1, not HTTP/2"),
    "HTTP/0.9": (b"GET /\r\n\r\n", 505, "HTTP/1.1, not HTTP/0.9"),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400, "0 Host header fields"),
    "two hosts": (b"GET / HTTP/1.1\r\n" + HOST * 2 + b"\r\n", 400, "2 Host header fields"),
    "two types": (POST + b"Content-Type: a\r\nContent-Type: b\r\n\r\n", 400, "2 Content-Type header fields"),
    "no path": (b"GET foo HTTP/1.1\r\n" + HOST + b"\r\n", 400, "Invalid characters in url"),
    "a space in the path": (b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", 400, "Expected HTTP/"),
    "a zero in the path": (b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n", 400, "Invalid char in url path"),
    "not ASCII": ("GET /é HTTP/1.1\r\n".encode() + HOST + b"\r\n", 400, "Invalid char in url path"),
    "a zero in a field": (NEXT[:-2] + b"A: b\x00c\r\n\r\n", 400, "Invalid header value"),
    "a bare CR": (NEXT[:-2] + b"A: b\rc\r\n\r\n", 400, "LF after header value"),
    "a bare LF": (b"GET / HTTP/1.1\nHost: x\n\n", 400, "CRLF"),
    "a fold": (NEXT[:-2] + b"A: b\r\n c\r\n\r\n", 400, "Unexpected whitespace"),
    "a space before the colon": (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, "Invalid header field"),
    "length and chunks": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "can't be present"),
    "chunks and length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400, "can't be present"),
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400, "Duplicate Content-Length"),
    "a list of lengths": (POST + b"Content-Length: 5, 5\r\n\r\nhello", 400, "Content-Length"),
    "a signed length": (POST + b"Content-Length: +5\r\n\r\nhello", 400, "Content-Length"),
    "no length": (POST + b"Content-Length: \r\n\r\n", 400, "Empty Content-Length"),
    "an endless length": (POST + b"Content-Length: 99999999999999999999999\r\n\r\n", 400, "overflow"),
    "a bad chunk": (CHUNKED + b"ZZ\r\n", 400, "chunk size"),
    "a chunk without its end": (CHUNKED + b"5\r\nhelloXX0\r\n\r\n", 400, "chunk data"),
    "an endless chunk": (CHUNKED + b"fffffffffffffffff\r\n", 400, "overflow"),
    "another coding": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "another than chunked"),
    "no coding": (POST + b"Transfer-Encoding: identity\r\n\r\n", 501, "another than chunked"),
    "chunks twice": (POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", 400, "Transfer-Encoding"),
    "chunks in HTTP/1.0": (CHUNKED.replace(b"1.1", b"1.0"), 400, "HTTP/1.0 has no"),
    "another expectation": (POST + b"Expect: tea\r\n\r\n", 417, "100-continue"),
    "a long line": (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414, "more than 4094 bytes"),
    "a long field": (NEXT[:-2] + b"A: " + b"a" * 9000 + b"\r\n\r\n", 431, "more than 8190 bytes"),
    "many fields": (NEXT[:-2] + b"A: a\r\n" * 100 + b"\r\n", 431, "more than 100 header fields"),
    "an endless field": (NEXT[:-2] + b"A: " + b"a" * 2 * HEAD_BYTES, 431, f"more than {HEAD_BYTES} bytes"),
    "an endless trailer": (CHUNKED + b"0\r\nA: " + b"a" * 2 * HEAD_BYTES, 431, "trailer"),
    "an endless extension": (CHUNKED + b"1;" + b"a" * 2 * HEAD_BYTES, 431, "extension"),
    "an endless name": (NEXT[:-2] + b"a" * 2 * HEAD_BYTES, 431, f"more than {HEAD_BYTES} bytes"),
}


def made(trusted: str = "127.0.0.1", client: str = "9.9.9.9", proxy_protocol: str = "") -> Parser:
    head = Head(base_environ(("127.0.0.1", 8000)), (client, "1"), Trust([trusted]))
    is_trusted = client in Trust([trusted])
    return Parser(LIMITS, head, Preface(proxy_protocol, head, is_trusted=is_trusted) if proxy_protocol else None)


def fed(parser: Parser, data: bytes, step: int) -> Parser:
    for start in range(0, len(data), step):
        parser.feed(data[start : start + step])
    return parser


def said(parser: Parser) -> str:
    return parser.refusal.sentence if parser.refusal else ""


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("name", TAKEN)
def test_what_is_taken(name: str, step: int) -> None:
    data, expected = TAKEN[name]
    parser = fed(made(), data, step)
    environs = [request.environ for request in parser.requests]
    found = [
        (one["REQUEST_METHOD"], one["PATH_INFO"], one["CONTENT_LENGTH"], one["wsgi.input"].read(), request.keep_alive)
        for one, request in zip(environs, parser.requests, strict=True)
    ]
    assert (found, parser.refusal) == (expected, None)
    assert parser.is_between == ("limit" not in name and "much" not in name and "tunnel" not in name)


@pytest.mark.parametrize("step", [7, RECEIVED_BYTES])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str, step: int) -> None:
    data, status, sentence = REFUSED[name]
    parser = fed(made(), data, step)
    assert not parser.requests
    assert parser.refusal
    assert (parser.refusal.status, sentence in parser.refusal.sentence) == (status, True), parser.refusal.sentence
    parser.feed(NEXT)
    assert not parser.requests, "nothing after it is read"


def test_tls_is_told_as_such() -> None:
    assert "TLS" in said(fed(made(), bytes.fromhex("1603010200010001fc0303"), 1 << 20))


def test_over_the_limit_in_chunks_comes_out_as_far_as_it_was_read() -> None:
    parser = fed(made(), CHUNKED + b"7d0\r\n" + b"a" * 1500, 100)
    (request,) = parser.requests
    assert 1000 < int(request.environ["CONTENT_LENGTH"]) <= 1100
    assert (request.environ["wsgi.input"].read(), request.keep_alive, parser.is_between) == (b"", False, False)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"GET / HT", "within its head"),
        (POST + b"Content-Length: 100\r\n\r\n" + b'{"text": "a"}', "after 13 bytes"),
        (CHUNKED + b"5\r\nhello\r\n", "after 5 bytes"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", "after 5 bytes"),
    ],
)
def test_what_ends_before_its_end_is_refused(data: bytes, sentence: str) -> None:
    parser = fed(made(), data, 1 << 20)
    assert said(parser) == ""
    parser.end()
    assert not parser.requests
    assert sentence in said(parser)


def test_what_ends_between_two_is_not() -> None:
    parser = fed(made(), NEXT, 1 << 20)
    parser.end()
    assert parser.refusal is None


def test_who_waits_to_send_a_body_is_told_once() -> None:
    parser = fed(made(), POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", 1 << 20)
    assert parser.wants_continue
    parser.feed(b"hello")
    assert (len(parser.requests), parser.wants_continue) == (1, False)
    old = POST.replace(b"1.1", b"1.0") + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    assert not fed(made(), old, 1 << 20).wants_continue


def test_a_header_with_an_underscore_is_no_other_header() -> None:
    parser = fed(made(), NEXT[:-2] + b"X_Request_Id: a\r\nContent_Length: 5\r\nX-A: 1\r\nX-A: 2\r\n\r\n", 1 << 20)
    environ = parser.requests[0].environ
    assert "HTTP_X_REQUEST_ID" not in environ
    assert environ["CONTENT_LENGTH"] == "0"
    assert environ["HTTP_X_A"] == "1,2"


@pytest.mark.parametrize(
    ("trusted", "client", "forwarded", "expected"),
    [
        ("127.0.0.1", "127.0.0.1", "1.1.1.1, 2.2.2.2", "2.2.2.2"),
        ("127.0.0.1", "9.9.9.9", "1.1.1.1", "9.9.9.9"),
        ("10.0.0.0/8", "10.1.2.3", "1.1.1.1, 2.2.2.2, 10.9.9.9", "2.2.2.2"),
        ("10.0.0.0/8", "::ffff:10.1.2.3", "2001:db8::1", "2001:db8::1"),
        ("*", "9.9.9.9", "1.1.1.1, 2.2.2.2", "1.1.1.1"),
        ("127.0.0.1", "", "3.3.3.3", "3.3.3.3"),
        ("127.0.0.1", "127.0.0.1", " , ", "127.0.0.1"),
        ("127.0.0.1", "fe80::1%eth0", "1.1.1.1", "fe80::1%eth0"),
    ],
)
def test_a_trusted_proxy_says_for_whom_it_asks(trusted: str, client: str, forwarded: str, expected: str) -> None:
    parser = fed(made(trusted, client), NEXT[:-2] + f"X-Forwarded-For: {forwarded}\r\n\r\n".encode(), 1 << 20)
    assert parser.requests[0].environ["REMOTE_ADDR"] == expected


V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + (12).to_bytes(2, "big") + bytes([1, 2, 3, 4, 5, 6, 7, 8]) + b"\x00\x50\x1f\x40"
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"


@pytest.mark.parametrize("step", [1, 1 << 20])
@pytest.mark.parametrize(
    ("mode", "preface", "client"),
    [
        ("auto", b"PROXY TCP4 1.2.3.4 5.6.7.8 80 8000\r\n", "1.2.3.4"),
        ("v1", b"PROXY TCP6 2001:db8::1 ::1 80 8000\r\n", "2001:db8::1"),
        ("v1", b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        ("auto", V2, "1.2.3.4"),
        ("v2", LOCAL, "127.0.0.1"),
        ("auto", b"", "127.0.0.1"),
    ],
)
def test_the_proxy_protocol(mode: str, preface: bytes, client: str, step: int) -> None:
    parser = fed(made(client="127.0.0.1", proxy_protocol=mode), preface + NEXT, step)
    (request,) = parser.requests
    assert request.environ["REMOTE_ADDR"] == client


@pytest.mark.parametrize(
    ("client", "preface", "status", "sentence"),
    [
        ("9.9.9.9", b"PROXY TCP4 1.2.3.4 5.6.7.8 80 8000\r\n", 403, "not trusted"),
        ("127.0.0.1", b"PROXY TCP4 1.2.3.4\r\n", 400, "cannot be read"),
        ("127.0.0.1", b"PROXY " + b"a" * 200, 400, "does not end"),
        ("127.0.0.1", V2.replace(b"\x21\x11", b"\x31\x11"), 400, "cannot be read"),
    ],
)
def test_a_preface_that_is_none(client: str, preface: bytes, status: int, sentence: str) -> None:
    refusal = fed(made(client=client, proxy_protocol="auto"), preface + NEXT, 1 << 20).refusal
    assert refusal
    assert (refusal.status, sentence in refusal.sentence) == (status, True)
