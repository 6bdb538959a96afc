"""What is asked: one fixed text over and over as the study did, and ours; each with the whole vector that is right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.bench.asked import reference_vectors
from tests.kit.places import default_model
from tests.kit.texts import LONG_TOKENS, SHORT_TOKENS, Writer, write_all
from tests.kit.wire import CHECKED, Request, post
from tests.study.columns import CUT, Column

FIXED_SEED = 1000
KINDS = {
    "fixed": f"one fixed text of {LONG_TOKENS} tokens, as the study sent",
    "short": f"texts of {SHORT_TOKENS} tokens",
    "long": f"texts of {LONG_TOKENS} tokens",
    "mixed": "70 % of 10 to 30 tokens, 25 % of 50 to 150, 5 % of 200 to 256",
}


class Payloads:
    """Texts by kind, and sentence-transformers' vectors of them, whole and cut."""

    def __init__(self) -> None:
        model = default_model().directory
        written = {kind: [text.text for one in each for text in one] for kind, each in write_all(model).items()}
        self.texts = {"fixed": [Writer(model, FIXED_SEED).write(LONG_TOKENS).text]}
        self.texts |= {kind: written[kind] for kind in KINDS if kind in written}
        every = list(dict.fromkeys(text for texts in self.texts.values() for text in texts))
        self._whole = _by_text(every, 0)
        self._cut = _by_text(self.texts["fixed"], CUT)

    def expected(self, text: str, column: Column) -> np.ndarray:
        """float32, shape (dimension,), of length 1."""
        return self._cut[text] if column.is_cut and text in self._cut else self._whole[text]

    def requests(self, kind: str, column: Column, port: int) -> list[Request]:
        """Ready to be sent; of each answer the first numbers are checked as it comes."""
        return [self._request(text, column, port) for text in self.texts[kind]]

    def sample(self, column: Column, of_each: int) -> list[str]:
        """Some texts of each kind that the column is asked."""
        return list(dict.fromkeys(text for kind in column.kinds for text in self.texts[kind][:of_each]))

    def _request(self, text: str, column: Column, port: int) -> Request:
        vector = self.expected(text, column)
        data = post(column.peer.path, column.peer.body([text]), port)
        return Request(data, texts=1, flop=0.0, dimension=len(vector), expected=(tuple(vector[:CHECKED].tolist()),))


def _by_text(texts: Sequence[str], longest: int) -> dict[str, np.ndarray]:
    vectors = reference_vectors(list(texts), longest)
    return {text: np.array(vector, np.float32) for text, vector in zip(texts, vectors, strict=True)}
