"""How a request wants its vectors, and what it may give for a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Pooling = Literal["none"]
Side = Literal["left", "right"]
Text = str | Sequence[int]
"""A text, or the ids of its tokens in the model's own vocabulary, which stand for themselves."""


@dataclass(frozen=True, slots=True)
class Options:
    """None: as the model does by default."""

    normalize: bool | None = None
    """Whether each vector has length 1; token vectors have it only where this is true."""
    truncate: bool = True
    """Whether a text over the limit is cut, or refused."""
    cut_side: Side | None = None
    """Where it loses tokens."""
    pooling: Pooling | None = None
    """None: a vector a text, as the model makes it; "none": a vector a token."""
    prompt_name: str | None = None
    """Which of the model's prompts is put before each text; None: its default one, if it has one."""
    dimensions: int | None = None
    """So many numbers are kept of each text's vector, before it is normalized."""
    takes_framed_ids_alone: bool = False
    """Whether token ids are refused that the model's special tokens do not stand around: anybody's might be such."""


DEFAULT = Options()
