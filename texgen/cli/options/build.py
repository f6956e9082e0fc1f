"""The options of `texgen build`, which `texgen plan` takes too, and what they ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from texgen.build import BuildRequest
from texgen.cli.options.common import (
    WORKERS,
    Budget,
    Classes,
    Name,
    PartOf,
    Place,
    Seconds,
    check_size,
    engine_bin_option,
    engine_option,
    engine_spec,
    jpeg_quality,
    quality_option,
    s3_endpoint_option,
    size_option,
)
from texgen.cli.options.config_file import config_option
from texgen.cli.options.decorate import Command, with_options
from texgen.cli.options.source import CHOICE_OPTIONS, chosen
from texgen.core.config import FORMATS, DatasetConfig, RunOptions, sample_timeout_s
from texgen.core.errors import ConfigError
from texgen.core.keys import MAX_TEXTURES
from texgen.source import SPLIT_NAMES, SRC_FORMATS, SourceSpec, find_format
from texgen.source.decode import DECODE_RULE, MAX_PIXELS
from texgen.storage.s3.address import endpoint_from_environment, parse
from texgen.synthesis import EngineSpec, identify
from texgen.synthesis.patches import PATCH_SIZE, SMALL_PATCH_SIZE

_SOURCE = [
    click.option(
        "--src",
        type=Place(),
        required=True,
        metavar="SRC",
        help="Folder of class folders or of splits, ILSVRC's tars, WebDataset, or Parquet; "
        "or s3://bucket/prefix of these.",
    ),
    click.option(
        "--src-format",
        type=click.Choice(SRC_FORMATS),
        help="What SRC is.  [default: found by looking]",
    ),
    *CHOICE_OPTIONS,
]

_DATASET = [
    click.option(
        "--split",
        "splits",
        multiple=True,
        type=click.Choice(SPLIT_NAMES),
        help="Only this split; may be given several times.  [default: those found]",
    ),
    size_option,
    click.option(
        "--patch-size",
        type=click.IntRange(1),
        default=PATCH_SIZE,
        show_default=True,
        help="Side of the example patches, px.",
    ),
    click.option(
        "--small-patch-size",
        type=click.IntRange(1),
        default=SMALL_PATCH_SIZE,
        show_default=True,
        help="Their side where the photograph is too small, px.",
    ),
    click.option(
        "--textures-per-image",
        type=click.IntRange(1, MAX_TEXTURES),
        default=1,
        show_default=True,
        help="Textures of each photograph.",
    ),
    click.option(
        "--format",
        "image_format",
        type=click.Choice(FORMATS),
        default="png",
        show_default=True,
        help="Of the textures; webp is lossless, jpg is 4:4:4.",
    ),
    quality_option,
    click.option("--samples-per-shard", type=click.IntRange(1), default=512, show_default=True),
    engine_option,
    engine_bin_option,
    click.option("--seed", type=int, default=0, show_default=True),
    click.option(
        "--labels",
        type=Place(),
        metavar="F",
        help="Classes of a flat split: a CSV file,class; LOC_val_solution.csv; ILSVRC's devkit.",
    ),
    click.option(
        "--classes",
        type=Classes(),
        metavar="F",
        help="Only these classes: a file with one a line, or imagenet100.",
    ),
    click.option("--limit", type=click.IntRange(1), help="First N photographs of every split."),
    click.option(
        "--max-pixels",
        type=click.IntRange(1),
        default=MAX_PIXELS,
        show_default=True,
        help="A larger photograph is a failed row.",
    ),
    click.option(
        "--name",
        type=Name(),
        default="imagenet-texture",
        show_default=True,
        help="The data set's name in its card.",
    ),
]

_RUN = [
    click.option(
        "--workers",
        type=WORKERS,
        help="Engine processes on each node.  [default: one a processor]",
    ),
    click.option(
        "--ray-address",
        type=Name(),
        metavar="ADDRESS",
        help="Of a running Ray cluster: auto, ray://…, host:port.  [default: a local Ray]",
    ),
    click.option("--no-ray", is_flag=True, help="Run in plain processes of this machine."),
    click.option(
        "--part",
        type=PartOf(),
        help="Only this part of the shards, such as 2/8; every part may run on another machine.",
    ),
    click.option(
        "--max-failures",
        type=Budget(),
        default="1%",
        show_default=True,
        help="Photographs that may fail before exit code 1.",
    ),
    click.option(
        "--retry-failed",
        is_flag=True,
        help="Try failed rows of earlier runs again, after permissions or the engine were mended; "
        "not for other photographs. Textures that are there stay.",
    ),
    click.option(
        "--overwrite",
        is_flag=True,
        help="Throw away what texgen wrote in OUT first; asks, unless --yes.",
    ),
    click.option("--yes", is_flag=True, help="Do not ask."),
    click.option(
        "--sample-timeout",
        type=Seconds(),
        help="Seconds for one texture.  [default: 120 at 224 px, in proportion to area]",
    ),
    s3_endpoint_option,
    config_option,
]


def build_options(*, out_required: bool) -> Callable[[Command], Command]:
    """Every option that says what is built and how.

    Args:
        out_required: Whether ``--out`` must be given.
    """
    out = click.option(
        "--out",
        type=Place(),
        required=out_required,
        metavar="OUT",
        help="Folder for the data set, or s3://bucket/prefix.",
    )

    def decorate(command: Command) -> Command:
        return with_options(command, [*_SOURCE, out, *_DATASET, *_RUN])

    return decorate


def build_request(options: dict[str, Any]) -> BuildRequest:
    """What the options ask for; an ``out`` of None becomes "".

    Raises:
        ConfigError: If they contradict each other.
    """
    source, out = options["src"], options["out"] or ""
    if out:
        _check_places(source, out)
    engine = engine_spec(options["engine"], options["engine_bin"])
    check_size(options["size"], engine.name)
    quality = jpeg_quality(options["quality"], options["image_format"])
    if options["small_patch_size"] > options["patch_size"]:
        message = "--small-patch-size is above --patch-size; swap them"
        raise ConfigError(message)
    splits = tuple(dict.fromkeys(options["splits"]))
    run = _run_options(options)
    # Found once, not in each process that reads.
    form = options["src_format"] or find_format(source, run.s3_endpoint)
    taken, labels = options["classes"], options["labels"]
    spec = SourceSpec(source, splits, taken, labels, form, run.s3_endpoint, **chosen(options))
    config = _dataset(options, engine, quality, spec.choices)
    return BuildRequest(spec, out, options["name"], config, run)


_EXCLUSIVE = [
    ("no_ray", "ray_address"),
    ("overwrite", "retry_failed"),
    # Each part would throw the others' shards away.
    ("overwrite", "part"),
]


def _run_options(options: dict[str, Any]) -> RunOptions:
    for one, other in _EXCLUSIVE:
        if options[one] and options[other]:
            names = [f"--{name.replace('_', '-')}" for name in (one, other)]
            message = f"{names[0]} and {names[1]} exclude each other; leave one out"
            raise ConfigError(message)
    timeout_s = options["sample_timeout"] or sample_timeout_s(options["size"])
    return RunOptions(
        workers=options["workers"],
        ray=not options["no_ray"],
        ray_address=options["ray_address"],
        engine_bin=options["engine_bin"],
        sample_timeout_s=timeout_s,
        max_failures=options["max_failures"],
        stall_s=_stall(timeout_s),
        part=options["part"],
        retry_failed=options["retry_failed"],
        overwrite=options["overwrite"],
        # Tasks on other nodes do not see this process's environment.
        s3_endpoint=options["s3_endpoint"] or endpoint_from_environment(),
    )


def _dataset(
    options: dict[str, Any], engine: EngineSpec, quality: int | None, choices: dict[str, str]
) -> DatasetConfig:
    return DatasetConfig(
        engine=identify(engine),
        decode_rule=DECODE_RULE,
        max_pixels=options["max_pixels"],
        size=options["size"],
        patch_size=options["patch_size"],
        small_patch_size=options["small_patch_size"],
        textures_per_image=options["textures_per_image"],
        format=options["image_format"],
        quality=quality,
        samples_per_shard=options["samples_per_shard"],
        seed=options["seed"],
        classes=options["classes"],
        limit=options["limit"],
        source_options=choices,
    )


def _check_places(source: str, out: str) -> None:
    if "://" in source or "://" in out:
        _check_urls(source, out)
        return
    inside, outside = Path(source).resolve(), Path(out).resolve()
    if inside == outside or inside in outside.parents or outside in inside.parents:
        message = f"--src {source} and --out {out}: neither may lie inside the other; move OUT"
        raise ConfigError(message)
    if outside.is_file():
        message = f"--out {out} is a file; name a folder"
        raise ConfigError(message)


def _check_urls(source: str, out: str) -> None:
    inside = parse(out) if "://" in out else None
    outside = parse(source) if "://" in source else None
    if inside and outside and inside.overlaps(outside):
        message = f"--src {source} and --out {out}: neither may lie inside the other; move OUT"
        raise ConfigError(message)


def _stall(timeout_s: float) -> float:
    """Above what a sample may take with all its retries."""
    return 60.0 + 4 * timeout_s
