"""`texgen build`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from texgen.cli.options import (
    WORKERS,
    Budget,
    Name,
    Place,
    Seconds,
    check_size,
    engine_bin_option,
    engine_option,
    engine_spec,
    jpeg_quality,
    quality_option,
    size_option,
)
from texgen.cli.output import print_result
from texgen.cli.progress import open_view
from texgen.config import FORMATS, DatasetConfig, RunOptions, sample_timeout_s
from texgen.driver import BuildRequest, BuildSummary, Silent, build
from texgen.errors import ConfigError
from texgen.images import DECODE_RULE, MAX_PIXELS
from texgen.keys import MAX_TEXTURES
from texgen.patches import PATCH_SIZE, SMALL_PATCH_SIZE
from texgen.source import SourceSpec
from texgen.source.folder import SPLIT_NAMES
from texgen.synthesize import EngineSpec, identify
from texgen.words import count_of

_REASONS_SHOWN = 3


@click.command(name="build", short_help="photographs -> ImageNet-Texture shards")
@click.option(
    "--src",
    type=Place(),
    required=True,
    metavar="SRC",
    help="Folder of class folders, or of splits.",
)
@click.option("--src-format", type=click.Choice(["folder"]), help="What SRC is.  [default: found]")
@click.option("--out", type=Place(), required=True, metavar="OUT", help="Folder for the data set.")
@click.option(
    "--split",
    "splits",
    multiple=True,
    type=click.Choice(SPLIT_NAMES),
    help="Only this split; may be given several times.  [default: those found]",
)
@size_option
@click.option(
    "--patch-size",
    type=click.IntRange(1),
    default=PATCH_SIZE,
    show_default=True,
    help="Side of the example patches, px.",
)
@click.option(
    "--small-patch-size",
    type=click.IntRange(1),
    default=SMALL_PATCH_SIZE,
    show_default=True,
    help="Their side where the photograph is too small, px.",
)
@click.option(
    "--textures-per-image",
    type=click.IntRange(1, MAX_TEXTURES),
    default=1,
    show_default=True,
    help="Textures of each photograph.",
)
@click.option(
    "--format",
    "image_format",
    type=click.Choice(FORMATS),
    default="png",
    show_default=True,
    help="Of the textures; webp is lossless, jpg is 4:4:4.",
)
@quality_option
@click.option("--samples-per-shard", type=click.IntRange(1), default=512, show_default=True)
@engine_option
@engine_bin_option
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--limit", type=click.IntRange(1), help="First N photographs of every split.")
@click.option(
    "--workers",
    type=WORKERS,
    help="Engine processes on each node.  [default: one a processor]",
)
@click.option(
    "--ray-address",
    type=Name(),
    metavar="ADDRESS",
    help="Of a running Ray cluster: auto, ray://…, host:port.  [default: a local Ray]",
)
@click.option("--no-ray", is_flag=True, help="Run in plain processes of this machine.")
@click.option(
    "--max-failures",
    type=Budget(),
    default="1%",
    show_default=True,
    help="Photographs that may fail before exit code 1.",
)
@click.option(
    "--sample-timeout",
    type=Seconds(),
    help="Seconds for one texture.  [default: 120 at 224 px, in proportion to area]",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(1),
    default=MAX_PIXELS,
    show_default=True,
    help="A larger photograph is a failed row.",
)
@click.option(
    "--name",
    type=Name(),
    default="imagenet-texture",
    show_default=True,
    help="The data set's name in its card.",
)
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(**options: Any) -> int:  # noqa: ANN401 - click hands over what it parsed
    """Make ImageNet-Texture shards of the photographs in SRC.

    The same command goes on where an earlier run stopped.
    """
    request = _request(options)
    with open_view(quiet=options["quiet"]) as view:
        summary = build(request, view or Silent())
    print_result(_json(summary, request) if options["as_json"] else _text(summary, request))
    return 0 if summary.within_budget else 1


def _request(options: dict[str, Any]) -> BuildRequest:
    source, out = options["src"], options["out"]
    _check_places(source, out)
    engine = engine_spec(options["engine"], options["engine_bin"])
    check_size(options["size"], engine.name)
    quality = jpeg_quality(options["quality"], options["image_format"])
    if options["no_ray"] and options["ray_address"]:
        message = "--no-ray and --ray-address exclude each other; leave one out"
        raise ConfigError(message)
    if options["small_patch_size"] > options["patch_size"]:
        message = "--small-patch-size is above --patch-size; swap them"
        raise ConfigError(message)
    timeout_s = options["sample_timeout"] or sample_timeout_s(options["size"])
    run = RunOptions(
        workers=options["workers"],
        ray=not options["no_ray"],
        ray_address=options["ray_address"],
        engine_bin=options["engine_bin"],
        sample_timeout_s=timeout_s,
        max_failures=options["max_failures"],
        stall_s=_stall(timeout_s),
    )
    spec = SourceSpec(source, tuple(dict.fromkeys(options["splits"])))
    return BuildRequest(spec, out, options["name"], _dataset(options, engine, quality), run)


def _dataset(options: dict[str, Any], engine: EngineSpec, quality: int | None) -> DatasetConfig:
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
        limit=options["limit"],
    )


def _check_places(source: str, out: str) -> None:
    if "://" in source or "://" in out:
        return
    inside, outside = Path(source).resolve(), Path(out).resolve()
    if inside == outside or inside in outside.parents or outside in inside.parents:
        message = f"--src {source} and --out {out}: neither may lie inside the other; move OUT"
        raise ConfigError(message)
    if outside.is_file():
        message = f"--out {out} is a file; name a folder"
        raise ConfigError(message)


def _stall(timeout_s: float) -> float:
    """Above what a sample may take with all its retries."""
    return 60.0 + 4 * timeout_s


def _text(summary: BuildSummary, request: BuildRequest) -> str:
    plan, failures = summary.plan, summary.failures
    images = sum(split.images for split in plan.splits)
    shards = sum(split.shards for split in plan.splits)
    if summary.rows:
        rate = summary.made / summary.seconds
        how = f"{summary.made} made in {summary.seconds:.1f} s, {rate:.2f} a second"
    else:
        how = "already complete"
    lines = [
        f"{count_of(plan.rows - failures.rows, 'texture')} of {count_of(images, 'image')} "
        f"in {count_of(shards, 'shard')}, {failures.rows} failed: {request.out} ({how})"
    ]
    shown = failures.reasons.most_common(_REASONS_SHOWN)
    for reason, count in shown:
        lines.append(f"  {count} x {reason}; for example {failures.examples[reason]}")
    if more := len(failures.reasons) - len(shown):
        rows = failures.rows - sum(count for _, count in shown)
        lines.append(f"  {rows} x {count_of(more, 'other reason')}; the manifest has them all")
    if not summary.within_budget:
        failed = count_of(failures.images, "image")
        lines.append(f"  {failed} failed, more than --max-failures allows")
    return "\n".join(lines)


def _json(summary: BuildSummary, request: BuildRequest) -> str:
    plan, failures = summary.plan, summary.failures
    return json.dumps(
        {
            "out": request.out,
            "fingerprint": plan.fingerprint,
            "images": sum(split.images for split in plan.splits),
            "shards": sum(split.shards for split in plan.splits),
            "textures": plan.rows - failures.rows,
            "failed": failures.rows,
            "failed_images": failures.images,
            "within_budget": summary.within_budget,
            "made": summary.made,
            "seconds": round(summary.seconds, 3),
            "reasons": [
                {"error": reason, "rows": count, "example": failures.examples[reason]}
                for reason, count in failures.reasons.most_common(_REASONS_SHOWN)
            ],
        }
    )
