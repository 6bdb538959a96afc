"""What a setting takes, in words: for whoever has set it to something else."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from msgspec import Meta

from . import keys

PATHS = "(plain|plain_tiles|avx2|avx512|avx512_vnni|avx512_bf16|amx_bf16|amx_int8)"
# Where a setting's type does not say it well.
WORDS = {
    "api_key": keys.WANTED,
    "model_sha256": "64 digits from 0 to 9 and a to f",
    "workers": "auto, or a number from 1 to 1024",
    "isa": f"auto, or one or more of {PATHS.strip('()').replace('|', ', ')}, commas between",
    "admin_bind": "HOST:PORT",
    "otlp_endpoint": "a collector's address, as http://collector:4318",
    "cors_origins": "*, or origins as https://example.org, commas between",
}
NUMBERS = {int: "a whole number", float: "a number"}


def wanted(name: str, annotation: Any) -> str:
    """What that setting of that type takes; "" where there is no better word than msgspec's own."""
    if name in WORDS:
        return WORDS[name]
    if options := choices(annotation):
        return f"one of {', '.join(options)}"
    if annotation is bool:
        return "true or false"
    plain, *metas = get_args(annotation) or (annotation,)
    meta = next((each for each in metas if isinstance(each, Meta)), Meta())
    if plain is str:
        return "some text" if meta.min_length else ""
    return NUMBERS.get(plain, "") + _bounds(meta)


def choices(annotation: Any) -> tuple[str, ...]:
    """The only values that there are; () if there are more than can be named."""
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _bounds(meta: Meta) -> str:
    if meta.le is not None:
        return f" from {meta.ge} to {meta.le}"
    return f" of at least {meta.ge}" if meta.ge is not None else ""
