"""The only reader of the environment and of config/*.toml: one frozen, typed, validated `Settings`.

Defaults and meanings stand in config/default.toml and nowhere else; types, bounds and which of them are secret, here.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from . import keys, names
from .errors import ConfigurationError
from .names import CONFIG_NAME, environment_name, flag
from .wanted import PATHS, choices, wanted

Count = Annotated[int, Meta(ge=1)]
ADMIN_BIND = r"^(.+:[1-9]\d{0,4})?$"
SECRET = Meta(extra={"secret": True}, pattern=keys.PATTERN)
ORIGINS = r"^(\*|(https?://[^\s,/]+(, ?https?://[^\s,/]+)*)?)$"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting, validated. What each one means stands in config/default.toml."""

    state: Literal["per-worker", "shared"]
    lock: Literal["none", "rwlock", "mutex"]
    workers: Annotated[int, Meta(ge=1, le=1024)] | Literal["auto"]
    threads: Annotated[int, Meta(ge=1, le=256)]
    host: Annotated[str, Meta(min_length=1)]
    port: Annotated[int, Meta(ge=0, le=65535)]
    admin_bind: Annotated[str, Meta(pattern=ADMIN_BIND)]
    trusted_proxies: str
    proxy_protocol: Literal["off", "v1", "v2", "auto"]
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
    compress_bytes: Annotated[int, Meta(ge=0)]
    api_key: Annotated[str, SECRET]
    api_key_file: str
    metrics_public: bool
    served_model_name: str
    cors_origins: Annotated[str, Meta(pattern=ORIGINS)]
    timeout_s: Count
    graceful_timeout_s: Count
    client_timeout_s: Count
    max_queue_ms: Annotated[int, Meta(ge=0)]
    keep_alive_s: Annotated[int, Meta(ge=0)]
    drain_delay_s: Annotated[float, Meta(ge=0, le=3600)]
    otlp_endpoint: Annotated[str, Meta(pattern=r"^(https?://[^\s]+)?$")]
    trace_ratio: Annotated[float, Meta(ge=0, le=1)]
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["auto", "json", "console"]

    @property
    def is_shared(self) -> bool:
        """Whether one process is to hold one model for all of its threads."""
        return self.state == "shared"

    def __repr__(self) -> str:
        shown = (f"{name}={_masked(name, getattr(self, name))!r}" for name in FIELDS)
        return f"Settings({', '.join(shown)})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, _masked(name, getattr(self, name))) for name in FIELDS]


FIELDS = {field.name: field for field in msgspec.structs.fields(Settings)}
DEFAULT_MODEL_LOCK = "requirements-model.txt"
"""Beside default.toml: the package that carries the model which that names."""


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
        return choices(FIELDS[self.name].type)


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
    environ, flags = names.set_in(os.environ if environ is None else environ, FIELDS), flags or {}
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
        if name in chosen and source != chosen_file:
            source += f", not {chosen_file}"
        origins.append(Origin(name, _masked(name, values[name]), source, one.meaning, values[name] == one.default))
    _read_keys(values)
    _check_networks("trusted_proxies", values)
    return Settings(**values), origins


def wanted_log_format(environ: Mapping[str, str], flags: Mapping[str, str] | None = None) -> str:
    """How lines are to be written, as far as can be told where the settings cannot be read."""
    asked = (flags or {}).get("log_format") or environ.get(environment_name("log_format"), "")
    return asked if asked in choices(FIELDS["log_format"].type) else "auto"


def table() -> list[Described]:
    """Every setting with its default and its meaning, as default.toml has them. Raises ConfigurationError."""
    path = default_path()
    defaults, meanings = _read_toml(path), _meanings(path.read_text(encoding="utf-8"))
    return [Described(name, _convert(name, defaults[name], str(path)), meanings[name]) for name in FIELDS]


def _convert(name: str, value: Any, source: str, *, from_text: bool = False) -> Any:
    if isinstance(value, str) and value.lower() in choices(FIELDS[name].type):
        value = value.lower()  # all that there are to choose from are small letters
    try:
        return msgspec.convert(value, FIELDS[name].type, strict=not from_text)
    except msgspec.ValidationError as error:
        shown = "" if _is_secret(name) else f" {value!r}"
        right = wanted(name, FIELDS[name].type) or error
        if isinstance(value, str) and not from_text and "number" in str(right):
            right = f"{right}, without quotation marks"
        raise ConfigurationError(f"{source}:{shown} cannot be used: {right}") from None


def _read_keys(values: dict[str, Any]) -> None:
    source, path = environment_name("api_key"), values["api_key_file"]
    if path:
        if values["api_key"]:
            raise ConfigurationError("BERT_API_KEY and BERT_API_KEY_FILE are both set: one of them, please")
        source = f"BERT_API_KEY_FILE: the keys in {path}"
        values["api_key"] = _convert("api_key", keys.of_file(path), source)
    keys.check(values["api_key"], source)


def _check_networks(name: str, values: dict[str, Any]) -> None:
    for one in filter(None, values[name].split(",")):
        try:
            ipaddress.ip_network(one.strip()) if one.strip() != "*" else None
        except ValueError as error:
            variable = environment_name(name)
            raise ConfigurationError(f"{variable}: {error}; addresses and networks, commas between, or *") from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{CONFIG_NAME}: cannot read {path}: {reason}") from None
    for name in values:
        names.refuse_unknown(name, FIELDS, f"{path}: ")
    return values


def _is_secret(name: str) -> bool:
    annotation = FIELDS[name].type
    return any(isinstance(meta, Meta) and meta.extra for meta in getattr(annotation, "__metadata__", ()))


def _masked(name: str, value: Any) -> Any:
    return "********" if value and _is_secret(name) else value


def _meanings(text: str) -> dict[str, str]:
    """The comment above each setting of default.toml, without the variable's name in brackets."""
    found = re.findall(r"^# \[\w+\] ((?:.*\n# )*.*)\n(\w+) = ", text, flags=re.MULTILINE)
    return {name: meaning.replace("\n# ", " ") for meaning, name in found}
