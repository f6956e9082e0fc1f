"""Options that several commands share, and the checks of their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from texgen.cli.options.from_config import Option, config_option, option_group
from texgen.cli.options.param_types import Endpoint, Engine, Name, Place, Program
from texgen.core.config import (
    DEFAULT_ENGINE,
    JPEG_QUALITY,
    MAX_SIZE,
    UPSTREAM_ENGINE,
    DatasetConfig,
    RunOptions,
    max_size,
)
from texgen.core.errors import ConfigError
from texgen.source import KEYS, LAYOUTS, SOURCE_OPTIONS
from texgen.synthesis import EngineSpec


def place_option(
    flag: str,
    metavar: str | None,
    help: str,
    *,
    utf8: bool = True,
    **settings: Any,  # noqa: ANN401
) -> Option:
    """Returns an option whose value is a `Place`, with further arguments of `click.option`."""
    return click.option(flag, type=Place(utf8=utf8), metavar=metavar, help=help, **settings)


def splits_option(action: str) -> Option:
    """Returns ``--split``, which may be given several times, as the parameter ``splits``."""
    text = f"Split to {action}; may be given several times.  [default: all splits]"
    return click.option("--split", "splits", multiple=True, help=text)


def transfer_workers_option(action: str) -> Option:
    """Returns ``--workers`` of a transfer of files, which are "downloaded" or "uploaded"."""
    text = f"Number of files that are {action} at the same time."
    return click.option("--workers", type=click.IntRange(1, 256), default=8, help=text)


SOURCE_CHOICES = {
    "layout": click.option(
        "--layout",
        type=click.Choice(LAYOUTS),
        default=LAYOUTS[0],
        help="Meaning of the folders in SRC. splits: folders named train, val, validation or test "
        "are splits and hold class folders. classes: each folder is a class of one split. flat: "
        "folders are not classes. auto: detected, and an error if that is ambiguous.",
    ),
    "keys": click.option(
        "--keys",
        type=click.Choice(KEYS),
        default=KEYS[0],
        help="Origin of the keys. name: the images' own names. file: the archive's name and, "
        "inside it, the name of the sample (WebDataset) or the number of the row (Parquet).",
    ),
    "image_field": click.option(
        "--image-field",
        type=Name(),
        metavar="NAME",
        help="Column (Parquet) or extension (WebDataset) that holds the images.  "
        "[default: the usual names]",
    ),
    "label_field": click.option(
        "--label-field",
        type=Name(),
        metavar="NAME",
        help="Column (Parquet), or extension or json.KEY (WebDataset), that holds the labels; "
        "none reads no labels.  [default: label (Parquet), cls (WebDataset)]",
    ),
}
"""Options that say how SRC is read, by their names in `texgen.source.SourceSpec`."""

out_argument = click.argument("out", type=Place(), metavar="OUT")
html_option = place_option("--html", "F.html", "File of the page.", utf8=False, required=True)
engine_option = click.option(
    "--engine", type=Engine(), default=DEFAULT_ENGINE, help="Engine that makes the textures."
)
engine_bin_option = config_option(RunOptions, "engine_bin", type=Program(), metavar="PATH")
size_option = config_option(DatasetConfig, "size")
quality_option = config_option(DatasetConfig, "quality")
s3_endpoint_option = config_option(RunOptions, "s3_endpoint", type=Endpoint(), metavar="URL")
quiet_option = click.option("--quiet", is_flag=True, help="Show no progress.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
result_options = option_group(s3_endpoint_option, json_option)
transfer_options = option_group(s3_endpoint_option, quiet_option, json_option)


def source_choices(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of `SOURCE_CHOICES` as arguments of `texgen.source.SourceSpec`."""
    return {name: options[name] for name in SOURCE_OPTIONS if name in options}


def engine_spec(engine: str, engine_bin: str | None) -> EngineSpec:
    """Returns the engine that ``--engine`` and ``--engine-bin`` name.

    Raises:
        ConfigError: If ``--engine-bin`` is given for an engine that runs no program.
    """
    if engine_bin is not None and engine != UPSTREAM_ENGINE:
        raise ConfigError(f"--engine-bin goes with --engine {UPSTREAM_ENGINE}, not with {engine}")
    return EngineSpec(engine, engine_bin)


def check_texture_size(size: int, engine: str) -> None:
    """Checks ``--size`` against ``--engine``.

    Raises:
        ConfigError: If the engine makes no textures of this size.
    """
    most = max_size(engine)
    if size > most:
        raise ConfigError(
            f"--size {size}: --engine {engine} makes {most} px at most; "
            f"--engine embark goes to {MAX_SIZE}"
        )


def jpeg_quality(quality: int | None, image_format: str) -> int | None:
    """Returns the quality of JPEG textures, or None for another format.

    Raises:
        ConfigError: If ``--quality`` is given for another format.
    """
    if image_format == "jpg":
        return JPEG_QUALITY if quality is None else quality
    if quality is not None:
        raise ConfigError(f"--quality goes with jpg, not with {image_format}; leave it out")
    return None
