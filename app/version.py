"""The version of serve-bert, and what it is installed as."""

VERSION = "0.1.0"
IS_CHECKOUT = __name__.startswith("app.")
"""Whether this is a checkout, with make, or an installed package, with its command."""
WHOLE = "`make install`" if IS_CHECKOUT else "`pip install 'serve-bert[torch]'`"
"""What brings sentence-transformers and all that it needs."""
