"""Options of `texgen build` and `texgen plan`, and the request that they make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from texgen.build import BuildRequest
from texgen.cli.options.common import (
    SOURCE_CHOICES,
    check_texture_size,
    engine_bin_option,
    engine_option,
    engine_spec,
    jpeg_quality,
    place_option,
    s3_endpoint_option,
    source_choices,
)
from texgen.cli.options.config_file import config_file_option
from texgen.cli.options.device import choose_device
from texgen.cli.options.from_config import (
    Option,
    config_option,
    config_options,
    config_values,
    option_group,
)
from texgen.cli.options.param_types import Budget, Classes, Name, PartOf, Seconds
from texgen.cli.output import lies_in
from texgen.core.config import DatasetConfig, RunOptions, sample_timeout_s
from texgen.core.decode import DECODE_RULE, MAX_PIXELS
from texgen.core.errors import ConfigError
from texgen.source import SPLIT_NAMES, SRC_FORMATS, SourceSpec, find_format
from texgen.storage.s3.address import endpoint_from_environment, parse
from texgen.synthesis import identify

_SOURCE = [
    place_option(
        "--src",
        "SRC",
        "Images: a folder of class folders or of splits, ILSVRC's tars, WebDataset or Parquet; or "
        "s3://bucket/prefix of one of these.",
        required=True,
    ),
    click.option(
        "--src-format",
        type=click.Choice(SRC_FORMATS),
        help="Format of SRC.  [default: detected from its content]",
    ),
    *SOURCE_CHOICES.values(),
    place_option(
        "--labels",
        "F",
        "File with the classes of a split without class folders: a CSV file with the header "
        "file,class, LOC_val_solution.csv, or ILSVRC's devkit.",
    ),
    click.option(
        "--split",
        "splits",
        multiple=True,
        type=click.Choice(SPLIT_NAMES),
        help="Split to build; may be given several times.  [default: all splits of SRC]",
    ),
]

_DATASET = [
    click.option(
        "--name",
        type=Name(),
        default="imagenet-texture",
        help="Name of the data set in its card.",
    ),
    engine_option,
    engine_bin_option,
    *config_options(
        DatasetConfig,
        {
            "classes": config_option(
                DatasetConfig, "classes", type=Classes(), multiple=False, metavar="F"
            )
        },
        without=["max_pixels"],
    ),
    config_option(DatasetConfig, "max_pixels", default=MAX_PIXELS),
]

_RUN = [
    config_option(RunOptions, "workers"),
    config_option(RunOptions, "device"),
    config_option(RunOptions, "gpus"),
    click.option(
        "--no-ray", is_flag=True, help="Run in plain processes of this machine, without Ray."
    ),
    config_option(RunOptions, "ray_address", type=Name(), metavar="ADDRESS"),
    config_option(RunOptions, "part", type=PartOf()),
    config_option(
        RunOptions, "max_failures", type=Budget(), default=f"{RunOptions().max_failures:.0%}"
    ),
    config_option(RunOptions, "retry_failed"),
    config_option(RunOptions, "sample_timeout_s", "--sample-timeout", type=Seconds(), default=None),
    config_option(RunOptions, "overwrite"),
    click.option("--yes", is_flag=True, help="Overwrite without asking."),
    s3_endpoint_option,
    config_file_option,
]


def build_options(*, out_required: bool) -> Option:
    """Returns all options that say what is built and how."""
    help = "Folder of the data set, or s3://bucket/prefix."
    out = place_option("--out", "OUT", help, required=out_required)
    return option_group(*_SOURCE, out, *_DATASET, *_RUN)


def build_request(options: dict[str, Any]) -> BuildRequest:
    """Returns the build that the options ask for; its ``out`` is "" without ``--out``.

    Raises:
        ConfigError: If options contradict each other.
    """
    source, out = options["src"], options["out"] or ""
    if out:
        _check_places(source, out)
    engine = engine_spec(options["engine"], options["engine_bin"])
    check_texture_size(options["size"], engine.name)
    quality = jpeg_quality(options["quality"], options["format"])
    if options["small_patch_size"] > options["patch_size"]:
        raise ConfigError("--small-patch-size is larger than --patch-size; swap them")
    splits = tuple(dict.fromkeys(options["splits"]))
    run, notes = choose_device(_run_options(options), engine)
    # Detected once, and not in each process that reads.
    src_format = options["src_format"] or find_format(source, run.s3_endpoint)
    spec = SourceSpec(
        source,
        splits,
        options["classes"],
        options["labels"],
        src_format,
        run.s3_endpoint,
        **source_choices(options),
    )
    values = {
        **config_values(DatasetConfig, options),
        "engine": identify(engine),
        "decode_rule": DECODE_RULE,
        "quality": quality,
        "source_options": spec.non_default_options,
    }
    config = DatasetConfig(**values)
    return BuildRequest(spec, out, options["name"], config, run, notes)


_EXCLUSIVE = [
    ("no_ray", "ray_address"),
    ("overwrite", "retry_failed"),
    # Each part would delete the shards of the others.
    ("overwrite", "part"),
]


def _run_options(options: dict[str, Any]) -> RunOptions:
    for pair in _EXCLUSIVE:
        if all(options[name] for name in pair):
            first, second = (f"--{name.replace('_', '-')}" for name in pair)
            raise ConfigError(f"{first} and {second} exclude each other; leave one out")
    timeout_s = options["sample_timeout"] or sample_timeout_s(options["size"])
    values = {
        **config_values(RunOptions, options),
        "ray": not options["no_ray"],
        "sample_timeout_s": timeout_s,
        # More than a sample may take with all its retries.
        "stall_s": 60.0 + 4 * timeout_s,
        # Tasks on other nodes do not see the environment of this process.
        "s3_endpoint": options["s3_endpoint"] or endpoint_from_environment(),
    }
    return RunOptions(**values)


def _check_places(source: str, out: str) -> None:
    addresses = [parse(place) for place in (out, source) if "://" in place]
    if addresses:
        overlap = len(addresses) == 2 and addresses[0].overlaps(addresses[1])
    else:
        overlap = lies_in(source, out) or lies_in(out, source)
    if overlap:
        raise ConfigError(
            f"--src {source} and --out {out}: neither may lie inside the other; move OUT"
        )
    if not addresses and Path(out).is_file():
        raise ConfigError(f"--out {out} is a file; name a folder")
