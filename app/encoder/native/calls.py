"""Tokenized texts as the kernel takes them: so many to a call, laid end to end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np

from ..tokens import TokenizedText
from .forward import CALL_TOKENS, LaidOut


def calls(tokenized: list[TokenizedText]) -> Iterator[list[TokenizedText]]:
    """Texts for one call of the kernel each: as many as CALL_TOKENS hold, one at least."""
    call: list[TokenizedText] = []
    tokens = 0
    for text in tokenized:
        if call and tokens + len(text.ids) > CALL_TOKENS:
            yield call
            call, tokens = [], 0
        call.append(text)
        tokens += len(text.ids)
    yield call


def laid_out(texts: Sequence[TokenizedText]) -> LaidOut:
    """Ids, type ids and starts of texts laid end to end, as the kernel takes them."""
    ids = np.array([token for text in texts for token in text.ids], np.int32)
    types = np.array([token for text in texts for token in text.type_ids], np.int32)
    return ids, types, np.array([0, *accumulate(len(text.ids) for text in texts)], np.int32)
