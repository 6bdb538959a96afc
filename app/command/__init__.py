"""`serve-bert`: serve, print settings, encode a file, or plan a fleet. Every setting is a flag."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from ..errors import BulkError, ConfigurationError, MeasuringError, ModelRefusedError
from ..version import VERSION
from . import embed, plan, settings
from .flags import given, setting_flags

EPILOG = "A flag wins over its environment variable, that over the file of --config, that over the default."


@click.group(invoke_without_command=True, epilog=EPILOG, context_settings={"max_content_width": 120})
@click.version_option(VERSION, prog_name="serve-bert")
@setting_flags()
@click.pass_context
def command(context: click.Context, /, **flags: Any) -> None:
    """Serve BERT sentence embeddings over HTTP; with a COMMAND, do that instead."""
    context.obj = given(context, flags)
    if context.invoked_subcommand is None:
        from . import serving  # gunicorn, and all that a fleet needs

        serving.serve(context.obj)


command.add_command(settings.print_settings)
command.add_command(embed.embed)
command.add_command(plan.plan)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it. What cannot be done ends it with one line."""
    try:
        command.main(arguments, prog_name="serve-bert")
    except (BulkError, ConfigurationError, MeasuringError, ModelRefusedError) as error:
        sys.exit(f"serve-bert: {error}")
    except OSError as error:  # a file that cannot be read or written, a full disk
        sys.exit(f"serve-bert: {error.filename or 'a file'}: {error.strerror or error}")
