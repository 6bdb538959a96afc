"""Text to token ids, cut to the model's limit, with an account of what was cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from app.errors import TextTooLongError


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """One text as the model reads it, special tokens included."""

    ids: list[int]
    type_ids: list[int]
    lost_tokens: int


class TextTokenizer:
    """A `tokenizers.Tokenizer` that never changes its state, so that threads may share it.

    Truncation is done on the encoding instead of being switched on in the tokenizer: the library's switch is a
    shared one, and it does not tell how much it cut.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        """Take a tokenizer of one's own (its padding and truncation are switched off) and the limit; 0: none."""
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._special_tokens = tokenizer.num_special_tokens_to_add(False)  # noqa: FBT003 - not a pair

    def tokenize(self, texts: Sequence[str], *, truncate: bool) -> list[TokenizedText]:
        """Tokenize each text. Raises TextTooLongError if one is over the limit and `truncate` is false."""
        room = self._max_tokens - self._special_tokens
        tokenized = []
        for index, encoding in enumerate(self._tokenizer.encode_batch(list(texts), add_special_tokens=False)):
            lost = max(0, len(encoding) - room) if self._max_tokens else 0
            if lost:
                if not truncate:
                    raise TextTooLongError(index, len(encoding) + self._special_tokens, self._max_tokens)
                encoding.truncate(room)
            whole = self._tokenizer.post_process(encoding)
            tokenized.append(TokenizedText(whole.ids, whole.type_ids, lost))
        return tokenized
