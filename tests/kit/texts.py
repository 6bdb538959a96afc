"""The texts to send: real words, cut to an exact number of tokens by the model's own tokenizer."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from tests.texts import paragraphs

SHORT_TOKENS = 22
LONG_TOKENS = 242
SPECIAL_TOKENS = 2
BATCH_TEXTS = 32
WORD = re.compile(r"[A-Za-z]+[,.]?")
# Of 20 texts: how many there are of which range of lengths.
MIX = ((14, 10, 30), (5, 50, 150), (1, 200, 256))
SEED = 22242


@dataclass(frozen=True)
class Text:
    text: str
    tokens: int
    """Special tokens included."""


class Writer:
    """Writes texts of a wanted length from the words of Python's documentation, always the same for a seed."""

    def __init__(self, model: Path, seed: int = SEED) -> None:
        self._tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._random = random.Random(seed)
        self._words = [word for part in paragraphs() for word in part.split() if WORD.fullmatch(word)]

    def write(self, tokens: int) -> Text:
        """A text of exactly so many tokens, special ones included: a run of words, begun anew until one ends there."""
        while True:
            start = self._random.randrange(len(self._words) - tokens)
            text = self._run(start, tokens - SPECIAL_TOKENS)
            if text and len(self._tokenizer.encode(text).ids) == tokens:
                return Text(text, tokens)

    def ids(self, text: str) -> list[int]:
        """The text's tokens, special ones included."""
        found: list[int] = self._tokenizer.encode(text).ids
        return found

    def write_mix(self, texts: int) -> list[Text]:
        """Texts of mixed lengths in a fixed order: mostly queries, some paragraphs, a few pages."""
        lengths = [
            self._random.randint(least, most)
            for share, least, most in MIX
            for _ in range(share * texts // sum(share for share, _, _ in MIX))
        ]
        self._random.shuffle(lengths)
        return [self.write(tokens) for tokens in lengths]

    def _run(self, start: int, tokens: int) -> str:
        """Words from `start` on until they have so many tokens; empty if they do not end there."""
        found = 0
        for end in range(start, len(self._words)):
            found += len(self._tokenizer.encode(self._words[end], add_special_tokens=False).ids)
            if found >= tokens:
                return " ".join(self._words[start : end + 1]) if found == tokens else ""
        return ""


def write_all(model: Path) -> dict[str, list[list[Text]]]:
    """By kind of request, the texts of each request: many different ones, so that no service gains by remembering."""
    writer = Writer(model)
    short = [writer.write(SHORT_TOKENS) for _ in range(4 * BATCH_TEXTS)]
    return {
        "short": [[text] for text in short],
        "long": [[writer.write(LONG_TOKENS)] for _ in range(BATCH_TEXTS)],
        "mixed": [[text] for text in writer.write_mix(100)],
        "batch": [short[begin : begin + BATCH_TEXTS] for begin in range(0, len(short), BATCH_TEXTS)],
    }
