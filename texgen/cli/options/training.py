"""Options and checks of all commands that need the extra ``[train]``."""

from __future__ import annotations

import importlib.util
from typing import Any

import click

from texgen.cli.options.from_config import Option, config_option
from texgen.core.cpus import available_cpus
from texgen.core.errors import ConfigError
from texgen.core.text import pluralize
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


def device_option(**settings: Any) -> Option:  # noqa: ANN401
    """Returns ``--device``, with further arguments of `click.option`."""
    return config_option(TrainConfig, "device", **settings)


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


def check_train_extra(command: str, *more: str) -> None:
    """Checks that the packages of the extra ``[train]`` are installed.

    Args:
        command: Name of the command, such as ``eval linear``.
        more: Packages that the command needs besides torch and torchvision.

    Raises:
        ConfigError: If a package is missing; says how to install the extra.
    """
    missing = [n for n in ("torch", "torchvision", *more) if importlib.util.find_spec(n) is None]
    if missing:
        message = (
            f"texgen {command} needs {' and '.join(missing)}: "
            "in a checkout run pip install '.[train]'"
        )
        raise ConfigError(message)
