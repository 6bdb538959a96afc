"""The keys of BERT_API_KEY or of its file: how they are written, read and refused. Each may have a name: NAME:KEY."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from .errors import ConfigurationError

# Printable ASCII without spaces, as it goes into a header; several keys are separated by commas.
PATTERN = "^([!-+.-~-]+(, ?[!-+.-~-]+)*)?$"
NAMED = re.compile(r"(?:([A-Za-z0-9._-]{1,64}):)?(.+)")
WANTED = "KEY or NAME:KEY, several with commas between, in printable ASCII without blanks"


@lru_cache(1)
def named(keys: str) -> list[tuple[str, bytes]]:
    """Each key, and what stands before it: "search:KEY"; "" if nothing does. Several may have one name."""
    found = (NAMED.fullmatch(one) for one in _split(keys))
    return [(one[1] or "", one[2].encode()) for one in found if one]


def check(keys: str, source: str) -> None:
    """Raise ConfigurationError if one is a name without its key, which anybody could guess, or a key without its name.

    A template whose secret is empty comes out so: "search:${SECRET}".
    """
    for number, one in enumerate(_split(keys), 1):
        if one.startswith(":") or one.endswith(":"):
            what = "key" if one.endswith(":") else "name"
            raise ConfigurationError(f"{source}: the {what} of number {number} is empty; wanted is {WANTED}")


def of_file(path: str) -> str:
    """Keys from a mounted secret, one a line or with commas between, as BERT_API_KEY has them.

    Raises ConfigurationError if the file cannot be read, or has none, which would open the service.
    """
    try:
        found = Path(path).read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not ASCII"
        raise ConfigurationError(f"BERT_API_KEY_FILE: cannot read {path}: {reason}") from None
    if not found:
        raise ConfigurationError(f"BERT_API_KEY_FILE: there is no key in {path}")
    return ",".join(found).replace(",,", ",")


def _split(keys: str) -> list[str]:
    return [one.strip() for one in keys.split(",") if one]
