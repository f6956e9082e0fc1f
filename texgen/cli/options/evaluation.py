"""Options that the commands of `texgen eval` and `texgen analyze` share."""

from __future__ import annotations

import click

from texgen.cli.options.common import SOURCE_CHOICES, json_option
from texgen.cli.options.from_config import Command, Option, config_options, with_options
from texgen.cli.options.param_types import Place
from texgen.cli.options.training import device_option, workers_option
from texgen.evaluate.config import KnnConfig

_OUT = click.option(
    "--out",
    type=Place(utf8=False),
    required=True,
    metavar="F.json",
    help="File of the result. Its plot is written beside it, as F.png and F.pdf.",
)
_SOURCE = [
    click.option("--src", type=Place(), help="Images to evaluate on.  [default: the run's]"),
    click.option(
        "--src-format",
        help="Format of SRC, as for texgen build.  [default: detected from its content]",
    ),
    *SOURCE_CHOICES.values(),
]
_NEIGHBOURS = config_options(KnnConfig)


def split_option(flag: str, default: str, purpose: str) -> Option:
    """Returns an option that names a split of SRC.

    Args:
        flag: Name of the option.
        default: Default split.
        purpose: Continues "Split of SRC" in the help text.
    """
    return click.option(flag, default=default, help=f"Split of SRC {purpose}.")


train_split_option = split_option("--train-split", "train", "to learn from")


def run_options(command: Command) -> Command:
    """Adds RUN, ``--out``, ``--device``, ``--workers`` and ``--json``."""
    run = click.argument("place", type=Place(), metavar="RUN")
    device = device_option(help="Device of the encoder.  [default: cuda if there is one]")
    workers = workers_option(help="Number of processes that load images.")
    return with_options(command, [run, _OUT, device, workers, json_option])


def out_options(command: Command) -> Command:
    """Adds ``--out`` and ``--json``."""
    return with_options(command, [_OUT, json_option])


def source_options(command: Command) -> Command:
    """Adds ``--src`` and the options that say how it is read."""
    return with_options(command, _SOURCE)


def neighbour_options(command: Command) -> Command:
    """Adds ``--k`` and ``--temperature``."""
    return with_options(command, _NEIGHBOURS)


def classifier_options(command: Command) -> Command:
    """Adds ``--linear`` or ``--knn``, and the options of the latter."""
    linear = click.option(
        "--linear",
        type=Place(utf8=False),
        metavar="F.json",
        help="Result of texgen eval linear, whose classifier is used.",
    )
    knn = click.option(
        "--knn",
        is_flag=True,
        help="Classify by the nearest neighbours in SRC's --train-split instead.",
    )
    return with_options(command, [linear, knn, *_NEIGHBOURS, *_SOURCE, train_split_option])
