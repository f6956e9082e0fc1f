"""`texgen plan`."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import click

from texgen.build import DryRun, dry_run
from texgen.build.estimate import wall_s
from texgen.cli.options.build import build_options, build_request
from texgen.cli.options.common import json_option
from texgen.cli.output import first_lines, print_result
from texgen.core.config import DatasetConfig
from texgen.core.cpus import available_cpus
from texgen.core.text import format_bytes, format_duration, pluralize

_SHOWN = 10
_LARGE_CLUSTERS = (64, 512)


@click.command(name="plan")
@build_options(out_required=False)
@click.option(
    "--cores",
    type=click.IntRange(1, 1_000_000),
    multiple=True,
    help="Number of cores to estimate the time for; may be given several times.  [default: those "
    "of this machine, 64 and 512]",
)
@click.option("--quiet", is_flag=True, hidden=True, help="Accepted because build has it.")
@json_option
def command(**options: Any) -> int:  # noqa: ANN401 - click hands over what it parsed
    """Show what texgen build would do with the same options, and write nothing.

    The command lists SRC, decodes up to 64 of its images, and makes textures of them for ten
    seconds. The exit code is 1 if the build would fail.
    """
    request = build_request(options)
    result = dry_run(request)
    cores = options["cores"] or (available_cpus(), *_LARGE_CLUSTERS)
    lines = _lines(result, request.config, cores)
    print_result(_data(result, cores), lines, as_json=options["as_json"])
    return 1 if result.problems else 0


def _lines(result: DryRun, config: DatasetConfig, cores: Sequence[int]) -> Iterator[str]:
    yield from _split_lines(result, config)
    yield from _sample_lines(result, config)
    yield from _cost_lines(result, cores)
    yield from _finding_lines(result)


def _split_lines(result: DryRun, config: DatasetConfig) -> Iterator[str]:
    plan = result.plan
    for split in plan.splits:
        classes = f" in {pluralize(len(split.classes), 'class')}" if split.classes else ", flat"
        known = result.source_bytes[split.name]
        size = "sizes not known" if known is None else format_bytes(known)
        shards = pluralize(split.shards, "shard")
        yield f"{split.name}: {pluralize(split.images, 'image')}{classes} ({size}), {shards}"
    total = sum(split.shards for split in plan.splits)
    left = ""
    if result.rows_left < plan.rows:
        done = f"{total - result.shards_left} of {pluralize(total, 'shard')}"
        left = f"; OUT has {done}, {pluralize(result.rows_left, 'texture')} left"
    yield f"{pluralize(plan.rows, 'texture')} of {config.size} px, {config.format}{left}"


def _sample_lines(result: DryRun, config: DatasetConfig) -> Iterator[str]:
    size, sample = _bytes(result), result.sample
    if size and sample.texture_bytes:
        each = statistics.fmean(sample.texture_bytes)
        yield (
            f"size: about {format_bytes(size[0])} ± {format_bytes(size[1])} "
            f"({format_bytes(each)} a texture, {len(sample.texture_bytes)} tried)"
        )
    if sample.small:
        share = 100 * sample.small / len(sample.decode_s)
        yield f"{share:.1f} % of the images tried are smaller than --patch-size {config.patch_size}"


def _cost_lines(result: DryRun, cores: Sequence[int]) -> Iterator[str]:
    if not result.rows_left:
        return
    core_s = _core_s(result)
    if core_s is None:
        yield "cost: unknown, since no image that was tried became a texture"
        return
    sample = result.sample
    each = 1e3 * statistics.fmean(sample.texture_s)
    decode = 1e3 * statistics.fmean(sample.decode_s)
    yield (
        f"cost: about {_core_time(core_s)} on this machine ({each:.0f} core-ms "
        f"a texture, {decode:.1f} an image to decode; {len(sample.texture_s)} tried)"
    )
    times = [f"{format_duration(_wall_s(result, core_s, n))} on {n}" for n in sorted(set(cores))]
    yield f"time: {', '.join(times)} such cores"
    if result.shards_left < max(cores):
        yield (
            f"  a cluster has work for {pluralize(result.shards_left, 'core')}, one a shard; "
            "a smaller --samples-per-shard makes more shards"
        )
    yield f"listing SRC: {format_duration(result.listing_s)}, which every build does first"


def _core_time(core_s: float) -> str:
    return f"{core_s / 3600:.1f} core-hours" if core_s >= 3600 else f"{core_s:.0f} core-seconds"


def _finding_lines(result: DryRun) -> Iterator[str]:
    sample = result.sample
    if result.free_bytes is not None:
        yield f"OUT has {format_bytes(result.free_bytes)} free"
    yield from (f"warning: {warning}" for warning in result.warnings)
    if sample.unreadable:
        source, reason = sample.unreadable[0]
        count = f"{len(sample.unreadable)} of {sample.images} images tried"
        yield f"warning: {count} cannot be read, such as {source} ({reason})"
    yield from first_lines(result.problems, _SHOWN, "problem: {}".format)


def _bytes(result: DryRun) -> tuple[float, float] | None:
    return result.sample.bytes(result.rows_left, result.shards_left)


def _core_s(result: DryRun) -> float | None:
    images = result.rows_left / result.plan.textures_per_image
    return result.sample.core_s(round(images), result.rows_left)


def _wall_s(result: DryRun, core_s: float, cores: int) -> float:
    return wall_s(core_s, result.shards_left, cores, available_cpus())


def _data(result: DryRun, cores: Sequence[int]) -> dict[str, Any]:
    plan, sample = result.plan, result.sample
    core_s = _core_s(result)
    size = _bytes(result)
    return {
        "fingerprint": plan.fingerprint,
        "splits": {
            split.name: {
                "images": split.images,
                "classes": len(split.classes),
                "shards": split.shards,
                "bytes": result.source_bytes[split.name],
            }
            for split in plan.splits
        },
        "textures": plan.rows,
        "textures_left": result.rows_left,
        "shards": sum(split.shards for split in plan.splits),
        "shards_left": result.shards_left,
        "bytes": size and round(size[0]),
        "bytes_standard_error": size and round(size[1]),
        "core_seconds": core_s,
        "seconds": {str(n): _wall_s(result, core_s, n) for n in cores}
        if core_s is not None
        else None,
        "listing_seconds": result.listing_s,
        "tried": {
            "photographs": sample.images,
            "unreadable": [{"source": s, "error": reason} for s, reason in sample.unreadable],
            "small": sample.small,
            "textures": len(sample.texture_s),
        },
        "free_bytes": result.free_bytes,
        "problems": result.problems,
        "warnings": result.warnings,
    }
