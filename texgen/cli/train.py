"""`texgen train`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from texgen.cli.options.common import SOURCE_CHOICES, json_option, quiet_option
from texgen.cli.options.config_file import config_file_option
from texgen.cli.options.from_config import (
    Option,
    config_option,
    config_options,
    config_values,
    option_group,
)
from texgen.cli.options.param_types import Place
from texgen.cli.options.training import check_train_extra, workers_option
from texgen.cli.output import print_result
from texgen.cli.progress import training_progress
from texgen.core.errors import ConfigError
from texgen.core.text import pluralize
from texgen.train.config import TrainConfig

_SPECIAL: dict[str, Option] = {
    **SOURCE_CHOICES,
    **{name: config_option(TrainConfig, name, type=Place()) for name in ("src", "out", "textures")},
    # None if it is not given, see `command`.
    "negatives": config_option(TrainConfig, "negatives", default=None, show_default="none"),
    "num_negatives": config_option(TrainConfig, "num_negatives", metavar="M"),
    "fresh_every": config_option(TrainConfig, "fresh_every", metavar="N"),
    "workers": workers_option(),
    "rank_timeout": config_option(TrainConfig, "rank_timeout", metavar="S"),
}


def _report(line: str) -> None:
    click.echo(f"texgen: {line}", err=True)


@click.command(name="train")
@option_group(*config_options(TrainConfig, _SPECIAL))
@config_file_option
@quiet_option
@json_option
def command(quiet: bool, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - TrainConfig checks
    """Train an encoder by MoCo-v2, SimCLR or BYOL, with non-semantic negatives.

    The same command runs on a CPU or a GPU, and with torchrun on several:
    torchrun --nproc-per-node 8 --no-python texgen train …

    A run resumes from the last checkpoint in its folder OUT.
    """
    check_train_extra("train")
    if options["textures"] is not None and options["negatives"] is None:
        # The run would train for days without the textures. A baseline that shares a
        # configuration file names --negatives none.
        raise ConfigError("--textures: name --negatives texture to use them, or none or patch")
    from texgen.train.loop import train

    config = TrainConfig(**config_values(TrainConfig, options))
    is_first_rank = os.environ.get("RANK", "0") == "0"
    with training_progress(quiet=quiet or not is_first_rank) as on_step:
        summary = train(config, on_step, _report)
    if not is_first_rank:
        return
    without = (
        f", {pluralize(summary.without_texture, 'image')} without a texture"
        if summary.without_texture
        else ""
    )
    line = (
        f"{pluralize(summary.steps, 'step')}, loss {summary.loss:.4f}{without}: "
        f"{Path(summary.checkpoint)}"
    )
    print_result(asdict(summary), [line], as_json=as_json)
