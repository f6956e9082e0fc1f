"""`texgen plan`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import click

from texgen.build import DryRun, dry_run
from texgen.build.estimate import wall_s
from texgen.cli.options.build import build_options, build_request
from texgen.cli.output import print_json, print_result
from texgen.core.config import DatasetConfig
from texgen.core.cpus import available_cpus
from texgen.core.text import format_bytes, format_duration, pluralize

_SHOWN = 10
_LARGE_CLUSTERS = (64, 512)


@click.command(name="plan", short_help="what a build would do")
@build_options(out_required=False)
@click.option(
    "--cores",
    type=click.IntRange(1, 1_000_000),
    multiple=True,
    help="Tell the time for so many; may be given several times.  [default: those here, 64, 512]",
)
@click.option("--quiet", is_flag=True, hidden=True, help="Taken, since `build` has it.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(**options: Any) -> int:  # noqa: ANN401 - click hands over what it parsed
    """Tell what `texgen build` would do with the same options; nothing is written.

    Lists SRC, tries up to 64 of its photographs, and makes textures of them for ten
    seconds. Exit code 1 where a build would end at something.
    """
    request = build_request(options)
    found = dry_run(request)
    cores = options["cores"] or (available_cpus(), *_LARGE_CLUSTERS)
    if options["as_json"]:
        print_json(_json(found, cores))
    else:
        print_result(*_text(found, request.config, cores))
    return 1 if found.problems else 0


def _text(found: DryRun, config: DatasetConfig, cores: Sequence[int]) -> list[str]:
    costs = _costs(found, cores)
    return [*_splits(found, config), *_sampled(found, config), *costs, *_findings(found)]


def _splits(found: DryRun, config: DatasetConfig) -> Iterator[str]:
    plan = found.plan
    for split in plan.splits:
        classes = f" in {pluralize(len(split.classes), 'class')}" if split.classes else ", flat"
        known = found.source_bytes[split.name]
        size = "sizes not known" if known is None else format_bytes(known)
        shards = pluralize(split.shards, "shard")
        yield f"{split.name}: {pluralize(split.images, 'image')}{classes} ({size}), {shards}"
    total = sum(split.shards for split in plan.splits)
    left = ""
    if found.rows_left < plan.rows:
        done = f"{total - found.shards_left} of {pluralize(total, 'shard')}"
        left = f"; OUT has {done}, {pluralize(found.rows_left, 'texture')} left"
    yield f"{pluralize(plan.rows, 'texture')} of {config.size} px, {config.format}{left}"


def _sampled(found: DryRun, config: DatasetConfig) -> Iterator[str]:
    size, sample = _bytes(found), found.sample
    if size and sample.texture_bytes:
        each = statistics.fmean(sample.texture_bytes)
        yield (
            f"size: about {format_bytes(size[0])} ± {format_bytes(size[1])} "
            f"({format_bytes(each)} a texture, {len(sample.texture_bytes)} tried)"
        )
    if sample.small:
        share = 100 * sample.small / len(sample.decode_s)
        yield f"{share:.1f} % of the photographs tried are below --patch-size {config.patch_size}"


def _costs(found: DryRun, cores: Sequence[int]) -> Iterator[str]:
    if not found.rows_left:
        return
    core_s = _core_s(found)
    if core_s is None:
        yield "cost: unknown, since no photograph that was tried gave a texture"
        return
    sample = found.sample
    each = 1e3 * statistics.fmean(sample.texture_s)
    decode = 1e3 * statistics.fmean(sample.decode_s)
    yield (
        f"cost: about {_core_time(core_s)} on this machine ({each:.0f} core-ms "
        f"a texture, {decode:.1f} a photograph to decode; {len(sample.texture_s)} tried)"
    )
    times = [f"{format_duration(_wall_s(found, core_s, n))} on {n}" for n in sorted(set(cores))]
    yield f"time: {', '.join(times)} such cores"
    if found.shards_left < max(cores):
        yield (
            f"  a cluster has work for {pluralize(found.shards_left, 'core')}, one a shard; "
            "a smaller --samples-per-shard makes more shards"
        )
    yield f"listing SRC: {format_duration(found.listing_s)}, which every build begins with"


def _core_time(core_s: float) -> str:
    return f"{core_s / 3600:.1f} core-hours" if core_s >= 3600 else f"{core_s:.0f} core-seconds"


def _findings(found: DryRun) -> Iterator[str]:
    sample = found.sample
    if found.free_bytes is not None:
        yield f"OUT has {format_bytes(found.free_bytes)} free"
    yield from (f"warning: {warning}" for warning in found.warnings)
    if sample.unreadable:
        source, reason = sample.unreadable[0]
        count = f"{len(sample.unreadable)} of {sample.photographs} photographs tried"
        yield f"warning: {count} cannot be read, such as {source} ({reason})"
    yield from (f"problem: {problem}" for problem in found.problems[:_SHOWN])
    if len(found.problems) > _SHOWN:
        yield f"  … and {len(found.problems) - _SHOWN} more; --json lists them all"


def _bytes(found: DryRun) -> tuple[float, float] | None:
    return found.sample.bytes(found.rows_left, found.shards_left)


def _core_s(found: DryRun) -> float | None:
    images = found.rows_left / found.plan.textures_per_image
    return found.sample.core_s(round(images), found.rows_left)


def _wall_s(found: DryRun, core_s: float, cores: int) -> float:
    return wall_s(core_s, found.shards_left, cores, available_cpus())


def _json(found: DryRun, cores: Sequence[int]) -> str:
    plan, sample = found.plan, found.sample
    core_s = _core_s(found)
    size = _bytes(found)
    report = {
        "fingerprint": plan.fingerprint,
        "splits": {
            split.name: {
                "images": split.images,
                "classes": len(split.classes),
                "shards": split.shards,
                "bytes": found.source_bytes[split.name],
            }
            for split in plan.splits
        },
        "textures": plan.rows,
        "textures_left": found.rows_left,
        "shards": sum(split.shards for split in plan.splits),
        "shards_left": found.shards_left,
        "bytes": size and round(size[0]),
        "bytes_standard_error": size and round(size[1]),
        "core_seconds": core_s,
        "seconds": {str(n): _wall_s(found, core_s, n) for n in cores}
        if core_s is not None
        else None,
        "listing_seconds": found.listing_s,
        "tried": {
            "photographs": sample.photographs,
            "unreadable": [{"source": s, "error": reason} for s, reason in sample.unreadable],
            "small": sample.small,
            "textures": len(sample.texture_s),
        },
        "free_bytes": found.free_bytes,
        "problems": found.problems,
        "warnings": found.warnings,
    }
    return json.dumps(report)
