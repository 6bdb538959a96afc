"""What the reference, sentence-transformers, makes of a model's files: tokenizer, limits, prompts, and some vectors.

Made by reference.py (in a child process, which has the libraries) or forms.py (without them), kept by describing.py.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec
from tokenizers import Tokenizer

from ..errors import ModelRefusedError
from .options import Side
from .tokens import Prompts, Reading, TextTokenizer

# Of a tokenizer's JSON, what bears on no id: how texts are cut and padded is ours to say, and ids are never decoded.
IDLE = ("truncation", "padding", "decoder", "version")


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """All that is asked of the reference once; vectors and texts are the proof that each worker is held against."""

    made_with: str
    """The libraries and their versions; "" if nobody was asked."""
    tokenizer: str
    """The tokenizer in force, as `tokenizers` writes it; "": tokenizer.json as it lies."""
    tokenizer_sha256: str
    """Of its canonical form; of the files, if texts do not go through one tokenizer."""
    why_no_tokenizer: str = ""
    """Why texts do not go through one tokenizer, if they do not."""
    splits_special_tokens: bool = False
    takes_type_ids: bool = True
    cut_side: Side = "right"
    own_limit: int
    """Tokens of the longest text, special tokens included, as the model's files have it; 0: none."""
    positions: int
    """Tokens that the position table carries; 0: there is none."""
    prompts: dict[str, str] = {}
    default_prompt: str = ""
    modules: tuple[str, ...]
    pooling: tuple[str, ...]
    cut_dimension: int = 0
    """Of a finished vector so many numbers are kept; 0: all."""
    texts: tuple[str, ...] = ()
    vectors: tuple[tuple[float, ...], ...] = ()
    """Of `texts`, with the default prompt, the model's own pooling and normalisation."""

    @property
    def longest(self) -> int:
        """Tokens that a text may have; 0: no limit."""
        return min((limit for limit in (self.own_limit, self.positions) if limit), default=0)

    @property
    def is_sound(self) -> bool:
        """Whether its parts fit each other: what lies in a file may have been altered."""
        sizes = {len(vector) for vector in self.vectors}
        limits = (self.own_limit, self.positions, self.cut_dimension)
        return min(limits) >= 0 and len(self.texts) == len(self.vectors) > 0 and len(sizes) == 1

    def read_tokenizer(self, folder: Path) -> Tokenizer:
        """The tokenizer in force; `folder`: where tokenizer.json lies. Raises ModelRefusedError."""
        path = folder / "tokenizer.json"
        try:
            return Tokenizer.from_str(self.tokenizer) if self.tokenizer else Tokenizer.from_file(str(path))
        except Exception as error:  # noqa: BLE001 - the tokenizers library raises plain Exception
            raise ModelRefusedError(f"{path}: is no tokenizer: {error}") from None

    def text_tokenizer(self, tokenizer: Tokenizer, max_tokens: int) -> TextTokenizer:
        """Texts to ids as the reference makes them, with a tokenizer that `read_tokenizer` gave, or an equal one."""
        prompts = Prompts(self.prompts, self.default_prompt)
        reading = Reading(prompts, self.cut_side, self.splits_special_tokens, self.takes_type_ids)
        return TextTokenizer(tokenizer, max_tokens, reading)


def canonical(tokenizer: Tokenizer) -> str:
    """A tokenizer as text: the same wherever all ids are, however its file was written."""
    content = json.loads(tokenizer.to_str())
    return json.dumps({name: part for name, part in content.items() if name not in IDLE}, sort_keys=True)


def sha256_of(tokenizer: Tokenizer) -> str:
    """Of the canonical form."""
    return hashlib.sha256(canonical(tokenizer).encode()).hexdigest()


def check_vocabulary(tokenizer: Tokenizer, known: int, folder: Path) -> None:
    """Raise ModelRefusedError if a tokenizer has tokens that the word table, of `known` rows, does not."""
    largest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    if largest >= known:
        raise ModelRefusedError(
            f"{folder}: its tokenizer has token id {largest}, but the model knows only {known} tokens"
        )
