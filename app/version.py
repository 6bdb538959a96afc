"""The version: below everything that shows it."""

VERSION = "0.1.0"
