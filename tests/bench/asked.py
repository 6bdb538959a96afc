"""The requests of a run: texts, what they cost to encode, and the vectors that should come back."""

from __future__ import annotations

import hashlib
import json
import subprocess

from tests.bench.peers import Peer
from tests.kit.arithmetic import Shape
from tests.kit.places import BENCH, ROOT, cached, default_model
from tests.kit.service import environment
from tests.kit.texts import Text, write_all
from tests.kit.wire import CHECKED, Request, post


class Requests:
    """Everything that will be asked, by kind; a peer's own bytes are made when it is known where it listens."""

    def __init__(self) -> None:
        model = default_model().directory
        self._shape = Shape.of(model)
        self._kinds = write_all(model)
        distinct = {text.text: None for kind in self._kinds.values() for texts in kind for text in texts}
        vectors = reference_vectors(list(distinct))
        self._dimension = len(vectors[0])
        self._expected = {text: tuple(row[:CHECKED]) for text, row in zip(distinct, vectors, strict=True)}

    def texts(self, kinds: set[str]) -> dict[str, list[list[str]]]:
        """By kind, the texts of each request."""
        return {
            kind: [[text.text for text in texts] for texts in each]
            for kind, each in self._kinds.items()
            if kind in kinds
        }

    def for_peer(self, peer: Peer, port: int) -> dict[str, list[Request]]:
        """By kind, requests that are ready to be sent."""
        return {kind: [self._request(texts, peer, port) for texts in each] for kind, each in self._kinds.items()}

    def unsent(self, kinds: set[str]) -> dict[str, list[Request]]:
        """By kind, the same without bytes, for what is measured in process."""
        return {
            kind: [self._request(texts, None, 0) for texts in each]
            for kind, each in self._kinds.items()
            if kind in kinds
        }

    def _request(self, texts: list[Text], peer: Peer | None, port: int) -> Request:
        words = [text.text for text in texts]
        return Request(
            data=post(peer.path, peer.body(words), port) if peer else b"",
            texts=len(texts),
            flop=self._shape.flop(text.tokens for text in texts),
            dimension=self._dimension,
            expected=tuple(self._expected[text] for text in words),
        )


def reference_vectors(texts: list[str], longest: int = 0) -> list[list[float]]:
    """Of sentence-transformers, computed once for these texts and kept; `longest`: tokens of a text, 0: the model's."""
    content = json.dumps([texts, longest] if longest else texts)
    output = cached(f"vectors-{hashlib.sha256(content.encode()).hexdigest()[:12]}.json")
    if not output.exists():
        file = output.with_suffix(".texts")
        file.write_text(json.dumps(texts), encoding="utf-8")
        command = [str(BENCH / "bin" / "python"), "-m", "tests.bench.services.references"]
        command += [str(default_model().directory), str(file), str(output), str(longest)]
        subprocess.run(command, cwd=ROOT, env=environment(), check=True, capture_output=True, timeout=300)
    vectors: list[list[float]] = json.loads(output.read_text(encoding="utf-8"))
    return vectors
