"""Commands that need an extra of texgen's package."""

from __future__ import annotations

import importlib.util

import click

from texgen.core.cpus import available_cpus
from texgen.core.errors import ConfigError
from texgen.core.text import pluralize

POSITIVE = click.IntRange(min=1)
ABOVE_0 = click.FloatRange(min=0, min_open=True)

device_option = click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), help="CUDA where it is."
)


def _known_workers(context: click.Context, parameter: click.Parameter, workers: int) -> int:
    """Says where there are more processes than processors, which makes loading slower."""
    if workers > max(4, cpus := available_cpus()):
        click.echo(
            f"texgen: --workers {workers} on {pluralize(cpus, 'processor')}: more processes than "
            f"processors share their time and need more memory; try {min(4, cpus)}",
            err=True,
        )
    return workers


workers_option = click.option(
    "--workers",
    type=click.IntRange(0),
    default=lambda: min(4, available_cpus()),
    callback=_known_workers,
    show_default="processors, 4 at most",
    help="Processes that load images (of each rank).",
)


def need_train_extra(command: str, *more: str) -> None:
    """Checks that what the trainer needs is installed, and ``more`` of its extra.

    Raises:
        ConfigError: If it is not; names the extra.
    """
    missing = [n for n in ("torch", "torchvision", *more) if importlib.util.find_spec(n) is None]
    if missing:
        message = (
            f"texgen {command} needs {' and '.join(missing)}: "
            "in a checkout run pip install '.[train]'"
        )
        raise ConfigError(message)
