"""What the settings are called in the environment and on a command line, and what only looks like one of them.

An empty variable means unset, as Compose passes one that nobody set. Kubernetes puts the addresses of every Service
into every container: of one that is called `bert`, or `bert-` and more, under names that begin as ours do.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from .errors import ConfigurationError
from .version import IS_CHECKOUT

PLAIN = {"workers": "WEB_CONCURRENCY", "host": "HOST", "port": "PORT"}
PREFIX = "BERT_"
CONFIG_NAME = "BERT_CONFIG"
LISTS = "make settings" if IS_CHECKOUT else "serve-bert settings"
RETIRED = {"BERT_METRICS_DIR": "metrics are kept in memory, and no folder is needed"}
"""Settings that there were once, and why they do nothing any more."""
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
OF_A_SERVICE = re.compile(
    r"BERT_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
ADDRESS_OF_A_SERVICE = re.compile(r"(tcp|udp|sctp)://")


def environment_name(name: str) -> str:
    """The environment variable that sets `name`."""
    return PLAIN.get(name, f"{PREFIX}{name.upper()}")


def flag(name: str) -> str:
    """The command line's flag that sets `name`."""
    return "--" + name.replace("_", "-")


def set_in(environ: Mapping[str, str], settings: Iterable[str]) -> dict[str, str]:
    """The variables of these settings, and BERT_CONFIG, that have a value.

    Raises ConfigurationError at a name that begins as ours do but sets nothing: a slip would change nothing in silence.
    """
    known = {environment_name(name) for name in settings} | {CONFIG_NAME}
    for name, value in sorted(environ.items()):
        if name.startswith(PREFIX) and value and name not in RETIRED and not _is_of_a_service(name, value):
            refuse_unknown(name, known)
    return {name: environ[name] for name in known if environ.get(name)}


def retired(environ: Mapping[str, str]) -> dict[str, str]:
    """The retired settings that are set, each with the reason."""
    return {name: why for name, why in RETIRED.items() if environ.get(name)}


def refuse_unknown(name: str, known: Iterable[str], where: str = "") -> None:
    """Raise ConfigurationError unless `name` is among the known ones, with the one that may be meant."""
    known = list(known)
    if name not in known:
        same = [one for one in known if name in (PREFIX + one, environment_name(one))]
        close = same or difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else f" (`{LISTS}` lists them)"
        raise ConfigurationError(f"{where}{name} is no setting of serve-bert{hint}")


def _is_of_a_service(name: str, value: str) -> bool:
    is_address = name.endswith("_PORT") and ADDRESS_OF_A_SERVICE.match(value)
    return bool(is_address or OF_A_SERVICE.fullmatch(name))
