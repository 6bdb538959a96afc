"""The texts of a request, in every form in which a dialect takes them, and what each of them is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from ..encoder import Text
from ..request_errors import EmptyInputError, InvalidInputError, TooManyTextsError
from ..settings import Settings

TokenId = Annotated[int, Meta(ge=0, le=2**32 - 1)]
# Said in the description alone: an empty text is told with 400, as everywhere, not as one of a wrong type.
NOT_EMPTY = Meta(extra_json_schema={"minItems": 1})
NonEmpty = Annotated[str, Meta(extra_json_schema={"minLength": 1})]
NonEmptyTexts = NonEmpty | Annotated[list[NonEmpty], NOT_EMPTY]
Ids = Annotated[list[TokenId], NOT_EMPTY]
Inputs = NonEmpty | Annotated[list[NonEmpty | TokenId | Ids], NOT_EMPTY]
"""A text, its token ids, or a list of either, as Text Embeddings Inference and OpenAI take them."""


@dataclass(frozen=True, slots=True)
class Texts:
    """See the module."""

    texts: Sequence[Text]
    form: Literal["single", "batch"]
    place: Callable[[int], str]
    """The JSON path of a text, by its number."""
    called: Callable[[int], str]
    """What a sentence calls it."""

    @property
    def characters(self) -> int:
        """Code points of all; of ids their number."""
        return sum(map(len, self.texts))


def under(key: str, inputs: str | Sequence[str | int | Sequence[int]]) -> Texts:
    """What stands under `key`. Raises EmptyInputError or InvalidInputError if it is no list of texts."""
    if isinstance(inputs, str):
        return _single(key, inputs)
    if not inputs:
        raise EmptyInputError(f"{key} is an empty list", where=f"$.{key}")
    texts: list[Text] = []
    ids: list[int] = []
    for one in inputs:
        ids.append(one) if isinstance(one, int) else texts.append(one)
    if not texts:
        return _single(key, ids)
    if ids:
        index = next(place for place, one in enumerate(inputs) if isinstance(one, int))
        raise InvalidInputError(
            f"{key} has a number among others; the token ids of one text stand in a list", where=f"$.{key}[{index}]"
        )
    return Texts(texts, "batch", lambda index: f"$.{key}[{index}]", lambda index: f"text {index}")


def check(given: Texts, settings: Settings, key: str) -> None:
    """Raise EmptyInputError, TooManyTextsError or InvalidInputError if they are not to be read."""
    if len(given.texts) > settings.max_texts:
        raise TooManyTextsError(len(given.texts), settings.max_texts, where=f"$.{key}")
    for index, one in enumerate(given.texts):
        if not one:
            raise EmptyInputError(f"{given.called(index)} is empty", where=given.place(index))
        if len(one) > settings.max_chars:
            what = "characters" if isinstance(one, str) else "token ids"
            raise InvalidInputError(
                f"{given.called(index)} has {len(one)} {what}, but a text may have {settings.max_chars}",
                where=given.place(index),
            )


def _single(key: str, text: Text) -> Texts:
    return Texts([text], "single", lambda _: f"$.{key}", lambda _: "the text")
