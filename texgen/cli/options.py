"""Option types that several commands share."""

from __future__ import annotations

import re

import click

from texgen.config import DEFAULT_ENGINE, ENGINES

_PERCENTAGE = re.compile(r"(\d+(?:\.\d+)?)%")


class Budget(click.ParamType[int | float]):
    """A number, or a percentage such as ``1%``: an int, or a share as a float."""

    name = "number or %"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        """See `click.ParamType.convert`."""
        text = str(value).strip()
        if text.isascii() and text.isdigit():
            return int(text)
        if match := _PERCENTAGE.fullmatch(text):
            return min(1.0, float(match[1]) / 100)
        return self.fail(f"{text!r} is neither a number of images nor a percentage such as 1%")


engine_option = click.option(
    "--engine",
    # The stub is for tests and benchmarks of everything else.
    type=click.Choice(ENGINES),
    metavar="[embark|embark-cli]",
    default=DEFAULT_ENGINE,
    show_default=True,
    help="Which engine makes the textures.",
)

engine_bin_option = click.option(
    "--engine-bin",
    metavar="PATH",
    help="Upstream's program for --engine embark-cli.  [default: texture-synthesis on PATH]",
)
