"""The version of serve-bert, and what it is installed as."""

from pathlib import Path

VERSION = "0.2.0"
IS_CHECKOUT = __name__.startswith("app.")
"""Whether this is a checkout, with make, or an installed package, with its command."""
CHECKOUT = str(Path(__file__).resolve().parent.parent) if IS_CHECKOUT else ""
"""The checkout's folder."""
WHOLE = "`make install`" if IS_CHECKOUT else "`pip install 'serve-bert[torch]'`"
"""What brings sentence-transformers and all that it needs."""
TRACING = "`make tracing`" if IS_CHECKOUT else "`pip install 'serve-bert[otel]'`"
"""What brings OpenTelemetry."""
