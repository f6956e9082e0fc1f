"""The options that say how SRC is read where that is not as usual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from texgen.cli.options.common import Name
from texgen.cli.options.decorate import Command, with_options
from texgen.source import KEYS, LAYOUTS, SOURCE_OPTIONS

CHOICE_OPTIONS = [
    click.option(
        "--layout",
        type=click.Choice(LAYOUTS),
        default=LAYOUTS[0],
        show_default=True,
        help="What the folders in SRC are. splits: those called train, val, validation or test are "
        "splits, the folders in them classes. classes: every folder is a class of one split. "
        "flat: none is a class. auto: found by looking, refused where that is not clear.",
    ),
    click.option(
        "--keys",
        type=click.Choice(KEYS),
        default=KEYS[0],
        show_default=True,
        help="What keys are made of: the photographs' own names, or file: the archive's name and, "
        "in it, the sample's (WebDataset) or the row's number (Parquet).",
    ),
    click.option(
        "--image-field",
        type=Name(),
        metavar="NAME",
        help="Column (Parquet) or extension (WebDataset) of the images.  [default: the usual ones]",
    ),
    click.option(
        "--label-field",
        type=Name(),
        metavar="NAME",
        help="Column (Parquet), or extension or json.KEY (WebDataset), of the labels; none takes "
        "no labels.  [default: label; cls]",
    ),
]


def choice_options(command: Command) -> Command:
    """`CHOICE_OPTIONS` as a decorator."""
    return with_options(command, CHOICE_OPTIONS)


def chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    """What `CHOICE_OPTIONS` gave, as `texgen.source.SourceSpec` names it."""
    return {name: options[name] for name in SOURCE_OPTIONS if name in options}
