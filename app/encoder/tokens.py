"""Text to token ids, cut to the model's limit, with an account of what was cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tokenizers import Tokenizer

from ..errors import NoTokensError, TextTooLongError

Side = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """One text as the model reads it, special tokens included."""

    ids: list[int]
    type_ids: list[int]
    lost_tokens: int


class TextTokenizer:
    """A `tokenizers.Tokenizer` that never changes its state, so that threads may share it.

    Truncation is done on the encoding instead of being switched on in the tokenizer: the library's switch is a
    shared one, and it does not tell how much it cut. Texts are tokenized one by one and each encoding is dropped at
    once: it holds a hundred times its text (offsets, masks, a string for each token), and what was cut off, too.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_tokens: int,
        *,
        cut_side: Side = "right",
        splits_special_tokens: bool = False,
        takes_type_ids: bool = True,
    ) -> None:
        """Take a tokenizer of one's own (its padding and truncation are switched off) and the limit; 0: none.

        `cut_side`: where a long text loses tokens; `splits_special_tokens`: those that stand in a text are text;
        `takes_type_ids`: else they are all 0.
        """
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = splits_special_tokens
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._cut_side = cut_side
        self._takes_type_ids = takes_type_ids
        self._special_tokens = tokenizer.num_special_tokens_to_add(False)  # noqa: FBT003 - not a pair

    def tokenize(
        self, texts: Sequence[str], *, truncate: bool, places: Sequence[int] | None = None
    ) -> list[TokenizedText]:
        """Tokenize each text.

        Raises TextTooLongError if one is over the limit and `truncate` is false, NoTokensError if one has none; they
        name the text by its number in `places`.
        """
        numbered = zip(places or range(len(texts)), texts, strict=True)
        return [self._tokenize(place, text, truncate=truncate) for place, text in numbered]

    def _tokenize(self, place: int, text: str, *, truncate: bool) -> TokenizedText:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        room = self._max_tokens - self._special_tokens
        lost = max(0, len(encoding) - room) if self._max_tokens else 0
        if lost:
            if not truncate:
                raise TextTooLongError(place, len(encoding) + self._special_tokens, self._max_tokens)
            encoding.truncate(room, direction=self._cut_side)
        whole = self._tokenizer.post_process(encoding)
        ids = whole.ids
        if not ids:
            raise NoTokensError(place)
        return TokenizedText(ids, whole.type_ids if self._takes_type_ids else [0] * len(ids), lost)
