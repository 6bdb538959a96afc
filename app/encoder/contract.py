"""What an engine must do: the one way in which the rest of the house reaches a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..request_errors import InvalidInputError
from .options import DEFAULT, Options, Text
from .tokens import TextTokenizer

NOTHING: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The answer to one request, in the order of its texts."""

    vectors: np.ndarray | list[np.ndarray]
    """float32, shape (texts, dimension); with pooling "none" one array a text, shape (tokens, dimension)."""
    lengths: list[int]
    """Tokens of each text that were encoded, special tokens included."""
    lost_tokens: list[int]
    """Tokens that were cut off each text."""
    tokenize_s: float
    forward_s: float
    fingerprint: str
    """Of the model that made all of them."""
    unknown_tokens: int = 0
    """How many of the tokens stand for what the vocabulary has not."""
    empty_texts: int = 0
    """In how many the tokenizer found nothing: all such have the same vector."""

    @property
    def tokens(self) -> int:
        """Of all texts."""
        return sum(self.lengths)

    @property
    def cut_texts(self) -> int:
        """How many texts lost tokens."""
        return sum(map(bool, self.lost_tokens))

    @property
    def cut_tokens(self) -> int:
        """How many they lost."""
        return sum(self.lost_tokens)

    @property
    def remarks(self) -> dict[str, int]:
        """What vectors do not show of their texts, where there is any of it."""
        if not (self.unknown_tokens or self.empty_texts or any(self.lost_tokens)):
            return NOTHING
        counts = {
            "truncated_texts": self.cut_texts,
            "truncated_tokens": self.cut_tokens,
            "unknown_tokens": self.unknown_tokens,
            "empty_texts": self.empty_texts,
        }
        return {name: count for name, count in counts.items() if count}


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is served, in words: the model half of /info, in its order; metrics and boot log take their facts here."""

    model_id: str
    revision: str
    sha256: str
    fingerprint: str
    """Of the embedding space: where it is equal, vectors are comparable."""
    proof: str
    """Whose vectors each worker was held against as it loaded; "" if there are none."""
    engine: str
    isa: str
    """The path (instruction set) that the native engine takes; "" where torch chooses for itself."""
    sums: str
    """The order in which the path adds, of which its bits come; "" for torch."""
    packed_sha256: str
    """Of the packed weights: equal wherever they are the same to the bit; "" for torch."""
    measured_ms: dict[str, list[float]]
    """What the paths took when this one was chosen, for a short text and a long one; empty if there was no choice."""
    architecture: str
    precision: str
    dimension: int
    max_tokens: int
    pooling: str
    normalize: bool
    prompts: dict[str, str]
    weights_modified_s: int
    """When the weights were last written, in seconds since 1970."""


def look_away() -> None:
    """Let nothing end a request."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a request may cost, once its texts are tokenized and cut; 0: no bound."""

    tokens: int = 0
    """Of all texts together."""
    numbers: int = 0
    """Of an answer with a vector for each token."""
    look: Callable[[], None] = look_away
    """Called between parts of the work; it raises what ends the request: its client has gone, its time is over."""

    def check(self, tokens: int, numbers: int) -> None:
        """Raise InvalidInputError if texts of so many tokens, or an answer of so many numbers, are too much."""
        if self.tokens and tokens > self.tokens:
            raise InvalidInputError(
                f"the texts have {tokens} tokens, but a request may have {self.tokens} after its texts are cut; "
                "send them in several requests",
                tokens=tokens,
                max_request_tokens=self.tokens,
            )
        if self.numbers and numbers > self.numbers:
            raise InvalidInputError(
                f'with "pooling": "none" the answer would have {numbers} numbers, but it may have {self.numbers}; '
                "send fewer texts, or shorter ones",
                numbers=numbers,
                max_unpooled_numbers=self.numbers,
            )


NO_BOUNDS = Bounds()


class Encoder(Protocol):
    """A loaded model. One call at a time computes on one thread; calls from several threads are safe."""

    @property
    def info(self) -> ModelInfo:
        """What is served."""
        ...

    @property
    def tokenizer(self) -> TextTokenizer:
        """What texts are read with. Raises WrongModelError if they go through no tokenizer that is known."""
        ...

    def encode(self, texts: Sequence[Text], options: Options = DEFAULT, *, bounds: Bounds = NO_BOUNDS) -> Embeddings:
        """Encode texts, none of them empty.

        Raises InvalidInputError (TextError where it is one text's fault) if a text, an option or what all of it would
        cost cannot be had, BackendError if a vector is not finite, and what `bounds.look` does.
        """
        ...

    def let_go(self) -> None:
        """In a process that is to be forked: keep all but the weights. Nothing can be computed before `take_over`."""
        ...

    def take_over(self) -> None:
        """In a process that inherited it through a fork: map the weights as its own."""
        ...

    def rest(self) -> None:
        """Give back the memory that only computing needs, while nothing is computed; it is taken anew."""
        ...
