"""What was recorded of a real Text Embeddings Inference (tests/data/tei-recorded.json), asked again of ours.

Version 1.9.3 with this project's default model, on loopback. A body says by `<"word " 1000 times>` what was too long to
keep, and by `\\xff` a byte; of a vector its length, first numbers and norm were kept.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import math
import re
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "data" / "tei-recorded.json"
Record = dict[str, Any]
# A number was kept to four digits after the point; longer vectors than of length 1 differ by more.
NEAR = {"rel_tol": 2e-4, "abs_tol": 2e-4}
ENCODED: dict[str, Any] = {"gzip": gzip.compress, "zlib": zlib.compress}


def records(*servers: str) -> list[Record]:
    """Those of a server that was started with its own options, or of several; "main": with none."""
    found = json.loads(DATA.read_text(encoding="utf-8"))
    return [record for record in found if record.get("server", "main") in servers]


def ask(record: Record, port: int) -> tuple[http.client.HTTPResponse, bytes]:
    """Ask a server on loopback the same; its answer and that one's body."""
    method, path = record["ask"]
    headers = record.get("headers", {"content-type": "application/json"})
    body = whole(record["body"]) if "body" in record else b""
    version = "HTTP/1.0" if record["id"] == "http-1.0" else "HTTP/1.1"
    lines = [f"{method} {_repeated(path)} {version}", *(f"{name}: {value}" for name, value in headers.items())]
    lines += [] if record["id"] == "no-host" else ["Host: localhost"]
    if "transfer-encoding" in headers:
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in _parts(body)) + b"0\r\n\r\n"
    elif "body" in record:
        lines.append(f"Content-Length: {len(body)}")
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        sock.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
        answer = http.client.HTTPResponse(sock, method=method)
        answer.begin()
        return answer, answer.read()


def whole(body: str) -> bytes:
    """A body as it was sent."""
    if found := re.fullmatch(r"<(gzip|zlib|chunks) of (.*)>", body):
        return bytes(ENCODED.get(found[1], bytes)(whole(found[2])))
    body = re.sub(r"<(\d+) lists nested>", lambda found: "[" * int(found[1]) + "]" * int(found[1]), body)
    body = re.sub(r'"<(.*?)>"', lambda found: json.dumps(_text(found[1])), body)
    body = re.sub(r"<(.*?) (\d+) times>", lambda found: ", ".join([found[1]] * int(found[2])), body)
    found_bytes: bytes = re.sub(rb"\\x(..)", lambda found: bytes.fromhex(found[1].decode()), body.encode())
    return found_bytes


def _text(notation: str) -> str:
    parts = re.findall(r'"([^"]*)"(?: (\d+) times)?', notation)
    return "".join(part * int(times or 1) for part, times in parts)


def _repeated(path: str) -> str:
    return re.sub(r"<(.) (\d+) times>", lambda found: found[1] * int(found[2]), path)


def _parts(body: bytes) -> Iterator[bytes]:
    size = 100_000
    return (body[start : start + size] for start in range(0, len(body), size))


def is_same(kept: Any, given: Any) -> bool:
    """Whether an answer is what was kept of the other's; more keys in an object are no difference."""
    if isinstance(kept, dict):
        return _is_same_object(kept, given)
    if isinstance(kept, list):
        return isinstance(given, list) and len(given) == len(kept) and all(map(is_same, kept, given))
    if isinstance(kept, float):
        return isinstance(given, float) and math.isclose(kept, given, abs_tol=1e-3)
    return isinstance(given, str) if kept in ("MODEL", "MODEL-prompts") else bool(kept == given)


def _is_same_object(kept: dict[str, Any], given: Any) -> bool:
    if "norm" in kept:
        return _is_same_vector(kept, given)
    if "little_endian_float32" in kept:
        numbers = base64.b64decode(given)
        vector = list(struct.unpack(f"<{len(numbers) // 4}f", numbers))
        return len(given) == kept["base64_len"] and _is_same_vector(kept["little_endian_float32"], vector)
    if "times" in kept:
        return len(given) == kept["times"] and all(is_same(kept["each"], one) for one in given)
    if "tokens" in kept:
        (tokens,) = [given] if isinstance(given[0], dict) else given
        first = kept.get("first", [])
        last = kept["last"] if isinstance(kept["last"], list) else [kept["last"]]
        ends = is_same(first, tokens[: len(first)]) and is_same(last, tokens[-len(last) :])
        return len(tokens) == kept["tokens"] and ends
    return isinstance(given, dict) and all(name in given and is_same(part, given[name]) for name, part in kept.items())


def _is_same_vector(kept: dict[str, Any], given: list[float]) -> bool:
    norm = math.sqrt(sum(number * number for number in given))
    return (
        len(given) == kept["len"]
        and math.isclose(norm, kept["norm"], **NEAR)
        and all(math.isclose(one, other, **NEAR) for one, other in zip(kept["head"], given, strict=False))
    )
