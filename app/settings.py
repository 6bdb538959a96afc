"""The only reader of the environment and of config/*.toml: one frozen, typed, validated `Settings`.

Defaults and meanings stand in config/default.toml and nowhere else; types, bounds and which of them are secret, here.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from .errors import ConfigurationError
from .version import IS_CHECKOUT

Count = Annotated[int, Meta(ge=1)]
# Printable ASCII without spaces, as it goes into a header; several keys are separated by commas.
KEYS = "^([!-+.-~-]+(, ?[!-+.-~-]+)*)?$"
PATHS = "(plain|plain_tiles|avx2|avx512|avx512_vnni|avx512_bf16|amx_bf16|amx_int8)"
SECRET = Meta(extra={"secret": True}, pattern=KEYS)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting, validated. What each one means stands in config/default.toml."""

    state: Literal["per-worker", "shared"]
    lock: Literal["none", "rwlock", "mutex"]
    workers: Annotated[int, Meta(ge=1, le=1024)]
    threads: Annotated[int, Meta(ge=1, le=256)]
    host: Annotated[str, Meta(min_length=1)]
    port: Annotated[int, Meta(ge=0, le=65535)]
    model: Annotated[str, Meta(min_length=1)]
    model_sha256: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")]
    engine: Literal["auto", "native", "sentence-transformers"]
    precision: Literal["auto", "float32", "bfloat16", "int8"]
    isa: Annotated[str, Meta(pattern=f"^(auto|{PATHS}( *, *{PATHS})*)$")]
    cache: str
    max_tokens: Annotated[int, Meta(ge=0)]
    truncate: bool
    max_texts: Count
    max_chars: Count
    max_request_tokens: Count
    max_unpooled_numbers: Count
    max_body_bytes: Count
    api_key: Annotated[str, SECRET]
    timeout_s: Count
    graceful_timeout_s: Count
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["auto", "json", "console"]
    metrics_dir: str

    @property
    def is_shared(self) -> bool:
        """Whether one process is to hold one model for all of its threads."""
        return self.state == "shared"


FIELDS = {field.name: field for field in msgspec.structs.fields(Settings)}
DEFAULT_MODEL_LOCK = "requirements-model.txt"
"""Beside default.toml: the package that carries the model which that names."""
PLAIN_NAMES = {"workers": "WEB_CONCURRENCY", "host": "HOST", "port": "PORT"}
CONFIG_NAME = "BERT_CONFIG"
LISTS = "make settings" if IS_CHECKOUT else "serve-bert settings"


class Origin(msgspec.Struct, frozen=True):
    """One setting as it will be printed: a secret's value is masked already."""

    name: str
    value: Any
    source: str
    meaning: str
    is_default: bool


class Described(msgspec.Struct, frozen=True):
    """One setting as the table has it."""

    name: str
    default: Any
    meaning: str

    @property
    def choices(self) -> tuple[str, ...]:
        """The only values that there are; () if there are more than can be named."""
        annotation = FIELDS[self.name].type
        return get_args(annotation) if get_origin(annotation) is Literal else ()


def environment_name(name: str) -> str:
    """The environment variable that sets `name`."""
    return PLAIN_NAMES.get(name, f"BERT_{name.upper()}")


def flag(name: str) -> str:
    """The command line's flag that sets `name`."""
    return "--" + name.replace("_", "-")


def default_path() -> Path:
    """Where default.toml lies: in the checkout's config/, or beside this module once installed from a wheel."""
    here = Path(__file__).parent
    inside = here / "config" / "default.toml"
    return inside if inside.exists() else here.parent / "config" / "default.toml"


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in force. Raises ConfigurationError with one line that says which is wrong and why."""
    return load_with_origins(environ)[0]


def load_with_origins(
    environ: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None
) -> tuple[Settings, list[Origin]]:
    """The settings in force, and where each came from. Raises ConfigurationError.

    `flags`: values from a command line by the settings' names, "config" for BERT_CONFIG; they win over all else.
    """
    environ, flags = os.environ if environ is None else environ, flags or {}
    _refuse_unknown_names(environ)
    chosen_file = flags.get("config") or environ.get(CONFIG_NAME, "")
    chosen = _read_toml(Path(chosen_file)) if chosen_file else {}
    values: dict[str, Any] = {}
    origins: list[Origin] = []
    for one in table():
        name, variable, source = one.name, environment_name(one.name), "default"
        values[name] = one.default
        if name in flags:
            source = flag(name)
            values[name] = _convert(name, flags[name], source, from_text=True)
        elif variable in environ:
            source = variable
            values[name] = _convert(name, environ[variable], source, from_text=True)
        elif name in chosen:
            source = chosen_file
            values[name] = _convert(name, chosen[name], f"{name} in {chosen_file}")
        origins.append(Origin(name, _masked(name, values[name]), source, one.meaning, values[name] == one.default))
    return Settings(**values), origins


def table() -> list[Described]:
    """Every setting with its default and its meaning, as default.toml has them. Raises ConfigurationError."""
    path = default_path()
    defaults, meanings = _read_toml(path), _meanings(path.read_text(encoding="utf-8"))
    return [Described(name, _convert(name, defaults[name], str(path)), meanings[name]) for name in FIELDS]


def _convert(name: str, value: Any, source: str, *, from_text: bool = False) -> Any:
    try:
        return msgspec.convert(value, FIELDS[name].type, strict=not from_text)
    except msgspec.ValidationError as error:
        shown = "" if _is_secret(name) else f" {value!r}"
        raise ConfigurationError(f"{source}:{shown} cannot be used: {_wanted(name) or error}") from None


def _wanted(name: str) -> str:
    """What a setting takes, where that is a list; msgspec says the rest well enough."""
    annotation = FIELDS[name].type
    if get_origin(annotation) is Literal:
        return f"one of {', '.join(get_args(annotation))}"
    return f"auto, or one or more of {PATHS.strip('()').replace('|', ', ')}, commas between" if name == "isa" else ""


def _refuse_unknown_names(environ: Mapping[str, str]) -> None:
    known = {environment_name(name) for name in FIELDS} | {CONFIG_NAME}
    for name in sorted(environ):
        if name.startswith("BERT_") and name not in known:
            raise ConfigurationError(f"{name} is no setting of serve-bert{_did_you_mean(name, known)}")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{CONFIG_NAME}: cannot read {path}: {reason}") from None
    for name in values:
        if name not in FIELDS:
            raise ConfigurationError(f"{path}: {name} is no setting of serve-bert{_did_you_mean(name, FIELDS)}")
    return values


def _did_you_mean(name: str, known: Mapping[str, Any] | set[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else f" (`{LISTS}` lists them)"


def _is_secret(name: str) -> bool:
    annotation = FIELDS[name].type
    return any(isinstance(meta, Meta) and meta.extra for meta in getattr(annotation, "__metadata__", ()))


def _masked(name: str, value: Any) -> Any:
    return "********" if value and _is_secret(name) else value


def _meanings(text: str) -> dict[str, str]:
    """The comment above each setting of default.toml, without the variable's name in brackets."""
    found = re.findall(r"^# \[\w+\] (.*)\n(\w+) = ", text, flags=re.MULTILINE)
    return {name: meaning for meaning, name in found}
