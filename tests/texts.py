"""Real texts to test with: many languages and scripts from a file, many lengths from Python's own documentation."""

from __future__ import annotations

from pathlib import Path
from pydoc_data.topics import topics

LANGUAGES = (Path(__file__).parent / "data" / "languages.txt").read_text(encoding="utf-8").splitlines()


def paragraphs() -> list[str]:
    """Paragraphs of Python's documentation, 20 characters and longer, in a fixed order."""
    found = [" ".join(part.split()) for name in sorted(topics) for part in topics[name].split("\n\n")]
    return [text for text in dict.fromkeys(found) if len(text) >= 20]


def real_texts() -> list[str]:
    """Over 400: every language, 300 paragraphs spread over the documentation, and pages far over 256 tokens."""
    spread = paragraphs()
    pages = [topics[name] for name in sorted(topics, key=lambda name: len(topics[name]))[-12:]]
    return LANGUAGES + spread[:: max(1, len(spread) // 300)][:300] + [page[:20000] for page in pages]
