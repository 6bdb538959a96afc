"""Texts of an exact number of tokens, special ones included."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

# One token each to nearly every tokenizer; what is missing is filled up with the shortest.
WORDS = (
    *("time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child"),
    *("world", "school", "state", "family", "student", "group", "country", "problem", "hand", "part"),
    *("place", "case", "week", "company", "system", "program", "question", "work", "government", "number"),
    *("night", "point", "home", "water", "room", "mother", "area", "money", "story", "fact"),
)
SHORTEST = "a"
SEED = 384
# As each word is one token or a few, some rounds suffice.
ROUNDS = 20

Count = Callable[[list[str]], Sequence[int]]
"""Tokens of each text, special ones included."""


def written(texts: int, tokens: int, count: Count) -> list[str]:
    """So many texts of that length. Raises ValueError if no text has it."""
    source = random.Random(SEED)  # noqa: S311 - no secret
    rows = [[source.choice(WORDS) for _ in range(tokens)] for _ in range(texts)]
    for _ in range(ROUNDS):
        found = count([" ".join(row) for row in rows])
        if all(have == tokens for have in found):
            return [" ".join(row) for row in rows]
        rows = [_nearer(row, tokens - have) if have != tokens else row for row, have in zip(rows, found, strict=True)]
    raise ValueError(f"no text has {tokens} tokens")


def _nearer(row: list[str], missing: int) -> list[str]:
    if missing > 0:
        return row + [SHORTEST] * missing
    return row[:missing] if len(row) > -missing else [SHORTEST]
