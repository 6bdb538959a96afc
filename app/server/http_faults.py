"""Why what has come is no request that we answer."""

from __future__ import annotations

STATUSES = {
    400: "Bad Request",
    403: "Forbidden",
    408: "Request Timeout",
    414: "URI Too Long",
    417: "Expectation Failed",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}


class Refused(Exception):  # noqa: N818 - a refusal, not a defect
    """See the module; nothing after it is read. `sentence` begins with "it", the request."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status
