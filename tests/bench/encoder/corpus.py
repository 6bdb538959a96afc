"""Real texts in many languages and scripts, as far as this machine carries them; where there are fewer, it says so.

The tests' own; what Python packages say of themselves; Debian's copyright files; translated messages of programs. All
as they stand there, line breaks aside: with mark-up, addresses and directives.
"""

from __future__ import annotations

import gettext
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.kit.places import SERVING
from tests.texts import real_texts

COPYRIGHTS = Path("/usr/share/doc")
CATALOGUES = Path("/usr/share/locale")
CATALOGUE_BYTES = range(8_000, 300_000)
CATALOGUES_A_LANGUAGE = 2
MESSAGES_A_LANGUAGE = 6
# Names of countries, languages and currencies are no sentences.
IS_NO_SENTENCE = "iso_"
FEWEST_BLANKS_OF_A_FORM = 3
LEAST_CHARS = {"packages' descriptions": 40, "copyright files": 40, "translated messages": 12}
MOST = {"packages' descriptions": 250, "copyright files": 120, "translated messages": 600}
SEED = 1196


def collect(most: int | None) -> tuple[list[str], dict[str, int]]:
    """Different texts in a random order that is always the same, and how many there are of each source."""
    sources = {
        "tests/texts.py": real_texts(),
        "packages' descriptions": descriptions(SERVING),
        "copyright files": copyrights(COPYRIGHTS),
        "translated messages": messages(CATALOGUES),
    }
    source_of: dict[str, str] = {}
    for source, texts in sources.items():
        for text in spread([text for text in texts if len(text) >= LEAST_CHARS.get(source, 1)], MOST.get(source)):
            source_of.setdefault(text, source)
    chosen = list(source_of)
    random.Random(SEED).shuffle(chosen)
    chosen = chosen[:most]
    return chosen, {source: sum(source_of[text] == source for text in chosen) for source in sources}


def spread(texts: Iterable[str], most: int | None) -> list[str]:
    """At most so many different ones, evenly out of all."""
    different = list(dict.fromkeys(texts))
    if most is None or len(different) <= most:
        return different
    return [different[index * len(different) // most] for index in range(most)]


def descriptions(environment: Path) -> list[str]:
    """Paragraphs of what packages say of themselves, headers left out."""
    files = sorted(environment.glob("**/site-packages/*.dist-info/METADATA"))
    return [part for file in files for part in _paragraphs(_read(file).partition("\n\n")[2])]


def copyrights(folder: Path) -> list[str]:
    """Paragraphs of Debian's copyright files."""
    return [part for file in sorted(folder.glob("*/copyright")) for part in _paragraphs(_read(file))]


def messages(folder: Path) -> list[str]:
    """A few translated messages of programs in each language."""
    found: list[str] = []
    for language in sorted(folder.glob("*/LC_MESSAGES")):
        files = [file for file in sorted(language.glob("*.mo")) if _is_promising(file)]
        of_language = [text for file in files[:CATALOGUES_A_LANGUAGE] for text in translations(file)]
        long_enough = [text for text in of_language if len(text) >= LEAST_CHARS["translated messages"]]
        found += spread(long_enough, MESSAGES_A_LANGUAGE)
    return found


def translations(file: Path) -> Iterator[str]:
    """The messages of a catalogue; none of one that cannot be read."""
    try:
        with file.open("rb") as opened:
            catalogue: dict[object, str] = vars(gettext.GNUTranslations(opened))["_catalog"]
    except (OSError, ValueError, IndexError):
        return
    for original, translated in catalogue.items():
        if original and translated != original and translated.count("%") < FEWEST_BLANKS_OF_A_FORM:
            yield " ".join(translated.split())


def _is_promising(file: Path) -> bool:
    return file.stat().st_size in CATALOGUE_BYTES and not file.name.startswith(IS_NO_SENTENCE)


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split("\n\n")]


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")
