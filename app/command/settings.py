"""`serve-bert settings`: every setting with its value, where it came from and its meaning."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import click

from .. import names, settings
from .flags import given, setting_flags


@click.command("settings")
@setting_flags()
@click.pass_context
def print_settings(context: click.Context, /, **flags: Any) -> None:
    """Print every setting: value, where it came from, what it means."""
    _, origins = settings.load_with_origins(flags=given(context, flags))
    for origin in origins:
        value = (
            '""' if origin.value == "" else json.dumps(origin.value) if isinstance(origin.value, bool) else origin.value
        )
        click.echo(f"{names.environment_name(origin.name)} = {value}  ({origin.source})")
        click.echo(textwrap.fill(origin.meaning, 100, initial_indent="    ", subsequent_indent="    "))
