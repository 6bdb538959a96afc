"""What a tokenizer makes of a text, piece by piece, for people to look at; and ids back to text."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class Piece:
    """One token. `start` and `stop`: where its text stands, in bytes of UTF-8; None for what the tokenizer adds."""

    id: int
    text: str
    special: bool
    """Whether the tokenizer added it; a special token that is written in the text is text."""
    start: int | None
    stop: int | None


def pieces(tokenizer: Tokenizer, text: str, *, add_special_tokens: bool) -> list[Piece]:
    """All tokens of a text: nothing is cut."""
    found = tokenizer.encode(text, add_special_tokens=add_special_tokens)
    at_byte = None if text.isascii() else [0, *accumulate(len(char.encode()) for char in text)]
    told = []
    for index, token, added, (start, stop) in zip(
        found.ids, found.tokens, found.special_tokens_mask, found.offsets, strict=True
    ):
        if added:
            told.append(Piece(index, token, special=True, start=None, stop=None))
        else:
            place = (at_byte[start], at_byte[stop]) if at_byte else (start, stop)
            told.append(Piece(index, text[start:stop], special=False, start=place[0], stop=place[1]))
    return told
