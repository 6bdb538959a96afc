"""Run it: `python -m tests.bench.encoder`, or with QUICK=1 in the environment in under a minute."""

from __future__ import annotations

import sys

from app.fleet import threads


def main() -> None:
    """Pin every library to one thread before any of them is imported, then run."""
    threads.pin()
    from tests.bench.encoder import run

    run.run()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped")
