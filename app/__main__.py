"""`python -m app` in a checkout, `python -m serve_bert` once installed: the command."""

from __future__ import annotations

import sys

from .command import main

# gunicorn starts its successor (USR2) by these.
sys.argv[:1] = ["-m", str(__package__)]
main(sys.argv[2:])
