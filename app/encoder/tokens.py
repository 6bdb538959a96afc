"""Text to token ids, cut to the model's limit, with an account of what was cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from tokenizers import Tokenizer

from ..request_errors import ForeignIdsError, NoTokensError, OptionError, TextError, TextTooLongError
from .options import DEFAULT, Options, Side, Text
from .pieces import Piece, pieces

# Where a tokenizer's model does not say what it calls the unknown (Unigram).
UNKNOWN = ("<unk>", "[UNK]")


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """One text as the model reads it, special tokens included."""

    ids: list[int]
    type_ids: list[int]
    lost_tokens: int
    unknown_tokens: int = 0
    """Words, or parts of some, that the vocabulary has not."""
    is_empty: bool = False
    """Whether the tokenizer found nothing in it, as in spaces: only special tokens stand for it."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """What a model's files have to be put before texts."""

    named: dict[str, str]
    default: str

    def text(self, name: str | None) -> str:
        """The prompt of that name; None: the default one, or "". Raises OptionError."""
        if name is None:
            return self.default
        if name in self.named:
            return self.named[name]
        known = ", ".join(map(repr, self.named)) or "none"
        raise OptionError("prompt_name", f"{name!r} is not among the prompts of this model, which has {known}")


@dataclass(frozen=True, slots=True)
class Reading:
    """How a model reads texts, beside what its tokenizer does."""

    prompts: Prompts
    cut_side: Side = "right"
    """Where a long text loses tokens."""
    splits_special_tokens: bool = False
    """Whether those that stand in a text are text."""
    takes_type_ids: bool = True
    """Else they are all 0."""


class TextTokenizer:
    """A `tokenizers.Tokenizer` that never changes its state, so that threads may share it.

    Truncation is done on the encoding instead of being switched on in the tokenizer: the library's switch is a
    shared one, and it does not tell how much it cut. Texts are tokenized one by one and each encoding is dropped at
    once: it holds a hundred times its text (offsets, masks, a string for each token), and what was cut off, too.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, reading: Reading) -> None:
        """Take a tokenizer of one's own (its padding and truncation are switched off) and the limit; 0: none."""
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = reading.splits_special_tokens
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._reading = reading
        self._special_tokens = tokenizer.num_special_tokens_to_add(False)  # noqa: FBT003 - not a pair

    @property
    def cut_side(self) -> Side:
        """Where a long text loses tokens, if nobody says otherwise."""
        return self._reading.cut_side

    def tokenize(
        self,
        texts: Sequence[Text],
        options: Options = DEFAULT,
        *,
        places: Sequence[int] | None = None,
        look: Callable[[], None] | None = None,
    ) -> list[TokenizedText]:
        """Tokenize each text, its prompt before it; `look` is called in between, and raises what ends the request.

        Raises OptionError if there is no such prompt; TextTooLongError if a text is over the limit and may not be cut,
        NoTokensError if one has no tokens, ForeignIdsError or TextError of ids that are not this model's. They name
        the text by its number in `places`.
        """
        prompt = self._reading.prompts.text(options.prompt_name)
        tokenized = []
        for number, text in enumerate(texts):
            if look and number:
                look()  # for 1 µs; a text of 100,000 characters takes 80 to 120 ms
            place = number if places is None else places[number]
            if isinstance(text, str):
                tokenized.append(self._of_text(place, prompt + text, options))
            else:
                tokenized.append(self._of_ids(place, text, options))
        return tokenized

    def pieces(self, text: str, *, prompt_name: str | None = None, add_special_tokens: bool = True) -> list[Piece]:
        """All tokens of a text with its prompt, of which offsets count. Raises OptionError."""
        prompt = self._reading.prompts.text(prompt_name)
        return pieces(self._tokenizer, prompt + text, add_special_tokens=add_special_tokens)

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """The text of ids; those that the vocabulary has not are left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=skip_special_tokens))

    def is_framed(self, ids: Sequence[int]) -> bool:
        """Whether the special tokens of this model stand around, as `tokenize` puts them; False where it has none."""
        before, after = self._frame
        size = len(before) + len(after)
        own = list(ids[: len(before)]) + (list(ids[-len(after) :]) if after else [])
        return 0 < size <= len(ids) and own == before + after

    def prompt_tokens(self, prompt_name: str | None) -> int:
        """Tokens of a prompt as sentence-transformers counts them: with special ones, but not the last of those."""
        prompt, (before, after) = self._reading.prompts.text(prompt_name), self._frame
        return len(before) + len(self._ids(prompt)) + max(0, len(after) - 1) if prompt else 0

    def _of_text(self, place: int, text: str, options: Options) -> TokenizedText:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        room = self._max_tokens - self._special_tokens
        lost = max(0, len(encoding) - room) if self._max_tokens else 0
        if lost:
            if not options.truncate:
                raise TextTooLongError(place, len(encoding) + self._special_tokens, self._max_tokens)
            encoding.truncate(room, direction=options.cut_side or self._reading.cut_side)
        is_empty = not (lost or encoding)
        whole = self._tokenizer.post_process(encoding)
        ids = whole.ids
        if not ids:
            raise NoTokensError(place)
        type_ids = whole.type_ids if self._reading.takes_type_ids else [0] * len(ids)
        return TokenizedText(ids, type_ids, lost, ids.count(self.unknown_id), is_empty)

    def _of_ids(self, place: int, given: Sequence[int], options: Options) -> TokenizedText:
        """Ids stand for themselves: no prompt and no special tokens are added, but these stay around what is cut."""
        if options.prompt_name is not None:
            raise OptionError("prompt_name", "cannot go with token ids, which stand for themselves; send text")
        is_framed = self.is_framed(given)
        if options.takes_framed_ids_alone and not is_framed:
            raise ForeignIdsError(place)
        unknown = next((one for one in given if self._tokenizer.id_to_token(one) is None), None)
        if unknown is not None:
            raise TextError(place, f"has token id {unknown}, which the vocabulary of this model has not")
        lost = max(0, len(given) - self._max_tokens) if self._max_tokens else 0
        if lost and not options.truncate:
            raise TextTooLongError(place, len(given), self._max_tokens)
        before, after = self._frame if is_framed else ([], [])
        inner = list(given[len(before) : len(given) - len(after)])
        if lost:
            side = options.cut_side or self._reading.cut_side
            inner = inner[lost:] if side == "left" else inner[: len(inner) - lost]
        ids = before + inner + after
        if not ids:
            raise NoTokensError(place)
        return TokenizedText(ids, [0] * len(ids), lost, ids.count(self.unknown_id), not (lost or inner))

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids if text else []

    @cached_property
    def unknown_id(self) -> int:
        """What stands for whatever the vocabulary has not; -1 if it has all, as bytes do."""
        named = getattr(self._tokenizer.model, "unk_token", None)
        found = (self._tokenizer.token_to_id(name) for name in ((named,) if named else UNKNOWN))
        return next((one for one in found if one is not None), -1)

    @cached_property
    def _frame(self) -> tuple[list[int], list[int]]:
        """Special tokens that are put before a text, and after it."""
        found = self._tokenizer.encode("a")
        ids, added = found.ids, found.special_tokens_mask
        own = [place for place, is_added in enumerate(added) if not is_added]
        return (ids[: own[0]], ids[own[-1] + 1 :]) if own else (ids, [])
