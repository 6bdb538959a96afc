"""The settings as flags, from the one table: types in app/settings.py, defaults and meanings in config/default.toml."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

import click

from .. import names, settings
from ..settings import Described

Function = TypeVar("Function", bound=Callable[..., Any])
CONFIG = "A TOML file of settings; its keys are the flags' names, with _ for -."


def setting_flags(chosen: Collection[str] = tuple(settings.FIELDS)) -> Callable[[Function], Function]:
    """A flag for each of these settings, and --config; what is not given arrives as None."""

    def decorate(function: Function) -> Function:
        for one in reversed(settings.table()):
            if one.name in chosen:
                function = _option(one)(function)
        return click.option("--config", metavar="FILE", help=f"{CONFIG}  [{names.CONFIG_NAME}]")(function)

    return decorate


def given(context: click.Context, flags: dict[str, Any]) -> dict[str, str]:
    """The flags before a subcommand and after it, as text; the later ones win."""
    texts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in flags.items()}
    return dict(context.obj or {}) | {name: text for name, text in texts.items() if text is not None}


def _option(one: Described) -> Callable[[Function], Function]:
    name = names.flag(one.name)
    default = "" if one.default == "" else f"; default: {str(one.default).lower()}"
    meaning = f"{one.meaning}  [{names.environment_name(one.name)}{default}]"
    if isinstance(one.default, bool):
        return click.option(f"{name}/--no-{name[2:]}", default=None, help=meaning)
    metavar = "|".join(one.choices) or ("N" if isinstance(one.default, int) else "TEXT")
    return click.option(name, metavar=metavar, help=meaning)
