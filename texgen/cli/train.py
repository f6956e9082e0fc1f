"""`texgen train`."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from texgen.cli.bar import metrics_bar
from texgen.cli.extras import ABOVE_0, POSITIVE, device_option, need_train_extra, workers_option
from texgen.cli.options.common import Place
from texgen.cli.options.config_file import config_option
from texgen.cli.options.decorate import Command, with_options
from texgen.cli.options.source import CHOICE_OPTIONS
from texgen.cli.output import print_json, print_result
from texgen.core.errors import ConfigError
from texgen.core.text import pluralize
from texgen.train.config import METHODS, MISSING, NEGATIVES, OPTIMIZERS, STEMS, TrainConfig


def _photographs(command: Command) -> Command:
    options = [
        click.option(
            "--src", type=Place(), required=True, help="Photographs, as build takes them."
        ),
        click.option("--out", type=Place(), required=True, help="Folder of the run."),
        click.option("--split", default="train", show_default=True, help="Split of SRC."),
        click.option("--src-format", help="See texgen build; found by looking."),
        *CHOICE_OPTIONS,
        click.option("--textures", type=Place(), help="A finished build of the same photographs."),
        click.option("--textures-split", help="Its split, if it is called otherwise."),
        click.option("--stream", is_flag=True, help="Read textures in order, for far-away shards."),
        click.option(
            "--missing-texture",
            type=click.Choice(MISSING),
            default="error",
            show_default=True,
            help="A photograph without a texture: end, leave it out, or take patches.",
        ),
    ]
    return with_options(command, options)


def _negatives(command: Command) -> Command:
    options = [
        click.option(
            "--method",
            type=click.Choice(METHODS),
            default="moco",
            show_default=True,
        ),
        click.option(
            "--negatives",
            type=click.Choice(NEGATIVES),
            show_default="none",
            help="Non-semantic negatives.",
        ),
        click.option("--num-negatives", type=POSITIVE, default=1, show_default=True, metavar="M"),
        click.option("--alpha", type=float, help="Their weight; 2, BYOL's 0.05."),
        click.option(
            "--patch-range",
            type=POSITIVE,
            nargs=2,
            default=(16, 72),
            show_default=True,
            help="Least and greatest side of a patch, px.",
        ),
        click.option("--non-overlapping", is_flag=True, help="Patches from a grid."),
        click.option("--temperature", type=ABOVE_0, default=0.2, show_default=True),
        click.option("--queue-size", type=POSITIVE, default=65536, show_default=True, help="MoCo."),
        click.option(
            "--momentum",
            type=click.FloatRange(0, 1),
            help="Of the encoder that follows; MoCo's 0.999, BYOL's 0.99.",
        ),
        click.option(
            "--bn-splits",
            type=POSITIVE,
            default=1,
            show_default=True,
            help="Normalise so many parts of a batch apart (MoCo on one device).",
        ),
    ]
    return with_options(command, options)


def _training(command: Command) -> Command:
    options = [
        click.option("--arch", default="resnet50", show_default=True, help="A torchvision ResNet."),
        click.option(
            "--stem",
            type=click.Choice(STEMS),
            help="Its first layers; by default what suits --size.",
        ),
        click.option(
            "--width", type=ABOVE_0, default=1.0, show_default=True, help="Of its stages."
        ),
        click.option("--dim", type=POSITIVE, help="Of the embeddings; 128, BYOL's 256."),
        click.option("--size", type=click.IntRange(8), default=224, show_default=True, help="px."),
        click.option(
            "--crop-scale",
            type=click.FloatRange(0, 1, min_open=True),
            nargs=2,
            default=(0.2, 1.0),
            show_default=True,
            help="Part of the area that a view covers.",
        ),
        click.option("--colour-jitter/--no-colour-jitter", default=True, show_default=True),
        click.option(
            "--batch-size",
            type=click.IntRange(2),
            default=256,
            show_default=True,
            help="Of all ranks and accumulated parts together.",
        ),
        click.option("--accumulate", type=POSITIVE, default=1, show_default=True, help="Parts."),
        click.option("--epochs", type=POSITIVE, default=200, show_default=True),
        click.option("--max-steps", type=POSITIVE, help="End early; rates stay those of --epochs."),
        click.option("--lr", type=ABOVE_0, default=0.03, show_default=True),
        click.option("--warmup-epochs", type=click.IntRange(0), default=0, show_default=True),
        click.option(
            "--optimizer", type=click.Choice(OPTIMIZERS), default="sgd", show_default=True
        ),
        click.option("--weight-decay", type=click.FloatRange(0), default=1e-4, show_default=True),
        click.option("--seed", type=click.IntRange(0), default=0, show_default=True),
    ]
    return with_options(command, options)


def _running(command: Command) -> Command:
    options = [
        device_option,
        click.option("--amp", is_flag=True, help="Networks in bfloat16; losses stay in 32 bits."),
        click.option("--compile", is_flag=True, help="torch.compile."),
        workers_option,
        click.option(
            "--rank-timeout",
            type=ABOVE_0,
            default=1800.0,
            show_default=True,
            metavar="S",
            help="Seconds that a rank waits for others, at the start and in a step.",
        ),
        click.option("--log-every", type=POSITIVE, default=10, show_default=True, help="Steps."),
        click.option(
            "--checkpoint-every", type=POSITIVE, default=1, show_default=True, help="Epochs."
        ),
        click.option("--keep", type=POSITIVE, default=2, show_default=True, help="Checkpoints."),
        click.option("--quiet", is_flag=True, help="No progress."),
        click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
    ]
    return with_options(command, options)


_PLAIN = {"alpha": 2.0, "momentum": 0.999}
_DEFAULTS = {"moco": _PLAIN, "simclr": _PLAIN, "byol": {"alpha": 0.05, "momentum": 0.99}}
"""Of options whose default is the method's own."""


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _say(line: str) -> None:
    click.echo(f"texgen: {line}", err=True)


@click.command(name="train", short_help="contrastive learning with textures as negatives")
@config_option
@_photographs
@_negatives
@_training
@_running
def command(quiet: bool, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - TrainConfig checks
    """Train an encoder by MoCo-v2, SimCLR or BYOL, with non-semantic negatives.

    The same command on a CPU, a GPU, or several:
    torchrun --nproc-per-node 8 --no-python texgen train …
    It goes on by itself from the last checkpoint in OUT.
    """
    need_train_extra("train")
    if options["textures"] is not None and options["negatives"] is None:
        # Days of training without what it was given; a baseline from the same file says so.
        raise ConfigError("--textures: name --negatives texture to use them, or none or patch")
    from texgen.train.loop import train

    config = TrainConfig(**{**_DEFAULTS[options["method"]], **_given(options)})
    first = os.environ.get("RANK", "0") == "0"
    with metrics_bar(quiet=quiet or not first) as tell:
        summary = train(config, tell, _say)
    if not first:
        return
    if as_json:
        print_json(json.dumps(asdict(summary)))
        return
    without = (
        f", {pluralize(summary.without_texture, 'photograph')} without a texture"
        if summary.without_texture
        else ""
    )
    print_result(
        f"{pluralize(summary.steps, 'step')}, loss {summary.loss:.4f}{without}: "
        f"{Path(summary.checkpoint)}"
    )
