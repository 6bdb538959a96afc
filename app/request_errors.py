"""What can go wrong with a request: its HTTP status, its `error_type` and a sentence that says what and where.

The names in `error_type` are those of Text Embeddings Inference where it has one, so that its clients know them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar

WORDS = re.compile(r"(?<!^)(?=[A-Z])")


class RequestError(Exception):
    """A request that gets an error answer; `details` are further members of its JSON body."""

    status: ClassVar[int] = 400
    error_type: ClassVar[str] = "Validation"
    kind: ClassVar[str] = "request"
    """The class as a metric's label: "text_too_long"."""
    is_quoting: bool = False
    """Whether the sentence may repeat what stands in the body, and so must not be logged."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.kind = WORDS.sub("_", cls.__name__.removesuffix("Error")).lower()

    def __init__(self, message: str, **details: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class MalformedBodyError(RequestError):
    """The body is not JSON."""


class EmptyInputError(RequestError):
    """There is no text to encode."""

    error_type = "Empty"


class InvalidInputError(RequestError):
    """The body is JSON, but not what the route takes."""

    status = 422


class TooManyTextsError(InvalidInputError):
    """A request carries more texts than one may."""

    def __init__(self, texts: int, max_texts: int, where: str) -> None:
        super().__init__(f"there are {texts} texts, but a request may carry {max_texts}", where=where)


class OptionError(InvalidInputError):
    """What a request asks for beside its texts cannot be had; `option`: the key's name in every dialect."""

    def __init__(self, option: str, why: str) -> None:
        super().__init__(f"{option} {why}")
        self.option = option


class TextError(InvalidInputError):
    """One text of a request cannot be encoded; `index`: its place among them; `sentence`: what is wrong with it."""

    def __init__(self, index: int, sentence: str, **details: str | int) -> None:
        super().__init__(f"text {index} {sentence}", **details)
        self.index = index
        self.sentence = sentence


class TextTooLongError(TextError):
    """A text is over the model's limit, and the request does not want it cut. Lengths count special tokens."""

    def __init__(self, index: int, tokens: int, max_tokens: int) -> None:
        super().__init__(
            index,
            f"has {tokens} tokens, but this model takes {max_tokens}, special tokens included; "
            'shorten it, or have it cut ("truncate": true, or BERT_TRUNCATE)',
            tokens=tokens,
            max_tokens=max_tokens,
        )


class ForeignIdsError(TextError):
    """A text is given as token ids that may be another vocabulary's."""

    def __init__(self, index: int) -> None:
        super().__init__(
            index,
            "is given as token ids without this model's special tokens around them, so they seem to be another "
            "vocabulary's, which would give a wrong vector: send text (LangChain's OpenAIEmbeddings does with "
            "check_embedding_ctx_length=False), or ids as POST /tokenize makes them",
        )


class NoTokensError(TextError):
    """A tokenizer without special tokens makes nothing of a text."""

    error_type = "Empty"

    def __init__(self, index: int) -> None:
        super().__init__(index, "has no tokens for this model: there is nothing to encode")


class NoSuchModelError(RequestError):
    """Another model is served than the one that was asked for."""

    status = 404
    error_type = "NotFound"

    def __init__(self, name: str, served: str) -> None:
        super().__init__(f"there is no model {name!r} here; this service has {served!r}", where="$.model")


class BodyTooLargeError(RequestError):
    """The body has more bytes than the service takes."""

    status = 413

    def __init__(self, max_body_bytes: int) -> None:
        super().__init__(
            f"the body is larger than the {max_body_bytes} bytes that this service takes", max_body_bytes=max_body_bytes
        )


class UnsupportedMediaTypeError(RequestError):
    """The body is declared as something other than JSON."""

    status = 415


class UnauthorizedError(RequestError):
    """The request carries no key, or a wrong one."""

    status = 401
    error_type = "Unauthorized"


class WrongModelError(RequestError):
    """The model that is served is of another kind than the one that was asked for."""

    status = 424
    error_type = "Backend"


class NotReadyError(RequestError):
    """This worker has no verified model, or is stopping."""

    status = 503
    error_type = "Unhealthy"


class ReloadRefusedError(RequestError):
    """The model that the settings name cannot take the place of the one that serves."""

    status = 422

    def __init__(self, reason: str) -> None:
        super().__init__(f"the old model stays: {reason}")


class ReloadUnderWayError(RequestError):
    """Another request is replacing the model."""

    status = 409

    def __init__(self) -> None:
        super().__init__("another request is replacing the model; ask again once that is answered")


class BackendError(RequestError):
    """The engine failed on a valid request."""

    status = 500
    error_type = "Backend"


class ClientGoneError(RequestError):
    """The client has ended the connection, or its own side of it, before its answer was made."""

    status = 499
    error_type = "ClientGone"

    def __init__(self) -> None:
        super().__init__("the client has gone")


class WrongAddressError(RequestError):
    """The path is not served at the address that was asked."""

    status = 404
    error_type = "NotFound"

    def __init__(self, served: Iterable[str]) -> None:
        super().__init__(f"BERT_ADMIN_BIND serves {', '.join(sorted(served))} alone; ask at the other address")


class HeaderError(RequestError):
    """A header of the request cannot be read."""

    def __init__(self, name: str, wanted: str) -> None:
        super().__init__(f"{name} takes {wanted}", where=name)


class OverloadedError(RequestError):
    """A request has waited for longer than one may, because more come than can be answered."""

    status = 429
    error_type = "Overloaded"

    def __init__(self, max_queue_s: float, retry_after_s: int) -> None:
        super().__init__(
            "more requests come than this service can answer: this one has waited for over "
            f"{max_queue_s * 1000:.0f} ms (BERT_MAX_QUEUE_MS); ask again in {retry_after_s} s"
        )
        self.retry_after_s = retry_after_s


class DeadlineError(RequestError):
    """A request's own time is over."""

    status = 504
    error_type = "Timeout"

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"this request's X-Request-Timeout-Ms, {timeout_s * 1000:.0f} ms, is over")


class OverdueError(RequestError):
    """A request has taken longer than one may."""

    status = 504
    error_type = "Timeout"

    def __init__(self, took_s: float) -> None:
        super().__init__(
            f"this request was given up after {took_s:.1f} s: it may take no more (BERT_TIMEOUT_S, or gunicorn's "
            "--timeout); send its texts in several"
        )
