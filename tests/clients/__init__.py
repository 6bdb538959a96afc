"""Clients as people have them, unchanged, each from an environment of its own. Not part of `make test`."""
