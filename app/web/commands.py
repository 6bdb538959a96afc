"""`flask --app app settings`: every setting with its value, where it came from and its meaning."""

from __future__ import annotations

import textwrap

import click

from app import settings


@click.command("settings")
def print_settings() -> None:
    """Print every setting: value, where it came from, what it means."""
    _, origins = settings.load_with_origins()
    for origin in origins:
        value = '""' if origin.value == "" else str(origin.value)
        click.echo(f"{settings.environment_name(origin.name)} = {value}  ({origin.source})")
        click.echo(textwrap.fill(origin.meaning, 100, initial_indent="    ", subsequent_indent="    "))
