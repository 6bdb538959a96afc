"""The texts of a request, in every form in which a dialect takes them, and what each of them is called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta

from ..encoder import Text
from ..errors import EmptyInputError, InvalidInputError, TooManyTextsError
from ..settings import Settings

TokenId = Annotated[int, Meta(ge=0, le=2**32 - 1)]
# Said in the description alone: an empty text is told with 400, as everywhere, not as one of a wrong type.
NonEmpty = Annotated[str, Meta(extra_json_schema={"minLength": 1})]
SOME = Meta(extra_json_schema={"minItems": 1})
Ids = Annotated[list[TokenId], SOME]
Inputs = NonEmpty | Annotated[list[NonEmpty | TokenId | Ids], SOME]
NonEmptyTexts = NonEmpty | Annotated[list[NonEmpty], SOME]
"""A text, its token ids, or a list of either, as Text Embeddings Inference and OpenAI take them."""


@dataclass(frozen=True, slots=True)
class Texts:
    """See the module."""

    texts: Sequence[Text]
    places: Sequence[str]
    """The JSON path of each; of one alone that of all."""
    form: Literal["single", "batch"]

    def place(self, index: int) -> str:
        """The JSON path of a text."""
        return self.places[index]

    def called(self, index: int) -> str:
        """What a sentence calls it."""
        return "the text" if self.form == "single" else f"text {index}"

    @property
    def characters(self) -> int:
        """Code points of all; of ids their number."""
        return sum(map(len, self.texts))


class Numbered(Sequence[str]):
    """`$.key[0]`, `$.key[1]` and so on, each made when somebody asks."""

    def __init__(self, key: str, count: int) -> None:
        self._key = key
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        return f"$.{self._key}[{index}]"


def under(key: str, inputs: str | Sequence[str | int | Sequence[int]]) -> Texts:
    """What stands under `key`. Raises EmptyInputError or InvalidInputError if it is no list of texts."""
    if isinstance(inputs, str):
        return Texts([inputs], [f"$.{key}"], "single")
    if not inputs:
        raise EmptyInputError(f"{key} is an empty list: there is nothing to encode", where=f"$.{key}")
    if all(isinstance(one, int) for one in inputs):
        return Texts([_ids(inputs)], [f"$.{key}"], "single")
    texts = [one for one in inputs if not isinstance(one, int)]
    if len(texts) < len(inputs):
        index = next(place for place, one in enumerate(inputs) if isinstance(one, int))
        raise InvalidInputError(
            f"{key} has a number among texts; one text is a string, or a list of all its token ids",
            where=f"$.{key}[{index}]",
        )
    return Texts(texts, Numbered(key, len(texts)), "batch")


def check(given: Texts, settings: Settings, key: str) -> None:
    """Raise EmptyInputError, TooManyTextsError or InvalidInputError if they are not to be encoded."""
    if len(given.texts) > settings.max_texts:
        raise TooManyTextsError(len(given.texts), settings.max_texts, where=f"$.{key}")
    for index, one in enumerate(given.texts):
        if not one:
            raise EmptyInputError(
                f"{given.called(index)} is empty: there is nothing to encode", where=given.place(index)
            )
        if len(one) > settings.max_chars:
            what = "characters" if isinstance(one, str) else "token ids"
            raise InvalidInputError(
                f"{given.called(index)} has {len(one)} {what}, but a text may have {settings.max_chars}",
                where=given.place(index),
            )


def _ids(inputs: Iterable[Any]) -> list[int]:
    return list(inputs)
