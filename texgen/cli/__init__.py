"""The command line."""

from texgen.cli.main import main

__all__ = ["main"]
