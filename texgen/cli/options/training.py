"""Options and checks of the commands that need the extra ``[train]``: train, eval and analyze."""

from __future__ import annotations

import importlib.util
from typing import Any

import click

from texgen.cli.options.common import SOURCE_CHOICES, json_option, place_option
from texgen.cli.options.from_config import Option, config_option, config_options, option_group
from texgen.cli.options.param_types import Place
from texgen.core.cpus import available_cpus
from texgen.core.errors import ConfigError
from texgen.core.text import pluralize
from texgen.evaluate.config import KnnConfig
from texgen.train.config import TrainConfig

_MAX_DEFAULT_WORKERS = 4


def _check_workers(context: click.Context, parameter: click.Parameter, workers: int) -> int:
    """Warns of more processes than processors, which make loading slower."""
    cpus = available_cpus()
    if workers > max(_MAX_DEFAULT_WORKERS, cpus):
        click.echo(
            f"texgen: --workers {workers} on {pluralize(cpus, 'processor')}: more processes than "
            "processors share their time and need more memory; "
            f"try {min(_MAX_DEFAULT_WORKERS, cpus)}",
            err=True,
        )
    return workers


def workers_option(**settings: Any) -> Option:  # noqa: ANN401
    """Returns ``--workers``, with further arguments of `click.option`."""
    return config_option(
        TrainConfig,
        "workers",
        default=lambda: min(_MAX_DEFAULT_WORKERS, available_cpus()),
        callback=_check_workers,
        show_default=f"number of processors, at most {_MAX_DEFAULT_WORKERS}",
        **settings,
    )


def split_option(flag: str, default: str, purpose: str) -> Option:
    """Returns an option that names a split of SRC; ``purpose`` goes on after these words."""
    return click.option(flag, default=default, help=f"Split of SRC {purpose}.")


train_split_option = split_option("--train-split", "train", "to learn from")
source_options = option_group(
    place_option("--src", None, "Images to evaluate on.  [default: the run's]"),
    config_option(TrainConfig, "src_format"),
    *SOURCE_CHOICES.values(),
)
neighbour_options = option_group(*config_options(KnnConfig))
classifier_options = option_group(
    place_option(
        "--linear",
        "F.json",
        "Result of texgen eval linear, whose classifier is used.",
        utf8=False,
    ),
    click.option(
        "--knn",
        is_flag=True,
        help="Classify by the nearest neighbours in SRC's --train-split instead.",
    ),
    neighbour_options,
    source_options,
    train_split_option,
)
_out_option = place_option(
    "--out",
    "F.json",
    "File of the result. Its plot is written beside it, as F.png and F.pdf.",
    utf8=False,
    required=True,
)
out_options = option_group(_out_option, json_option)
run_options = option_group(
    click.argument("place", type=Place(), metavar="RUN"),
    _out_option,
    config_option(
        TrainConfig, "device", help="Device of the encoder.  [default: cuda if there is one]"
    ),
    workers_option(help="Number of processes that load images."),
    json_option,
)


def check_train_extra(command: str, *more: str) -> None:
    """Checks that the packages of the extra ``[train]`` are installed.

    Raises:
        ConfigError: If one of them or of ``more`` is missing; says how to install the extra.
    """
    missing = [n for n in ("torch", "torchvision", *more) if importlib.util.find_spec(n) is None]
    if missing:
        raise ConfigError(
            f"texgen {command} needs {' and '.join(missing)}: "
            "in a checkout run pip install '.[train]'"
        )
