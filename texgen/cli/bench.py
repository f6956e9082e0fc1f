"""`texgen bench`."""

from __future__ import annotations

import platform
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import click

from texgen.build.bench_builds import BuildCost, compare_builds
from texgen.build.bench_devices import DeviceRate, compare_devices
from texgen.build.bench_engines import BenchJob, EngineCost, bench_jobs, compare_engines
from texgen.cli.options.common import (
    SOURCE_CHOICES,
    check_texture_size,
    engine_bin_option,
    engine_spec,
    place_option,
    result_options,
    size_option,
    source_choices,
)
from texgen.cli.options.from_config import config_option, option_group
from texgen.cli.output import print_result
from texgen.core.config import (
    CPU,
    DEFAULT_ENGINE,
    ENGINES,
    SAMPLES_PER_SHARD,
    STUB,
    UPSTREAM_ENGINE,
    DatasetConfig,
    RunOptions,
)
from texgen.core.cpus import available_cpus, processor_name
from texgen.core.errors import ConfigError
from texgen.core.text import pluralize
from texgen.source import SourceSpec, open_source
from texgen.synthesis import EngineSpec
from texgen.synthesis.devices import engine_on

_IMAGENET_IMAGES = 1_281_167 + 50_000
"""Images of ILSVRC-2012, train and val."""

_MIN_PROJECTED = 200
"""Textures below which the start of a build, some core-seconds, would dominate the estimate."""


@click.command(name="bench")
@place_option(
    "--src", "SRC", "Images to measure on, in any form that texgen build reads.", required=True
)
@option_group(*SOURCE_CHOICES.values())
@click.option(
    "--engine",
    "engines",
    default=DEFAULT_ENGINE,
    metavar="A,B,…",
    help=f"Engines to compare, of {', '.join(ENGINES)}; each is compared with the last one.",
)
@engine_bin_option
@size_option
@config_option(DatasetConfig, "format", "--format", "image_format")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    help="Number of images, which are spread over SRC.",
)
@click.option(
    "--repeat",
    type=click.IntRange(1, 1000),
    default=3,
    help="Number of rounds, in each of which every engine makes all textures.",
)
@click.option(
    "--build",
    "whole_builds",
    is_flag=True,
    help="Also measure whole builds of the first --limit images.",
)
@config_option(
    RunOptions,
    "device",
    help="Device that makes the textures: cpu, gpu or auto. A GPU is compared with all processors "
    "by textures a second, with --limit textures at once; 2000 keep it busy.",
)
@result_options
def command(
    src: str,
    engines: str,
    engine_bin: str | None,
    size: int,
    image_format: str,
    limit: int,
    repeat: int,
    whole_builds: bool,
    device: str,
    s3_endpoint: str | None,
    as_json: bool,
    **choices: str | None,
) -> None:
    """Measure the processor time per texture of one or more engines.

    The command also shows how the time is divided between the steps of an engine.
    """
    if device != CPU and (engines, whole_builds) != (DEFAULT_ENGINE, False):
        raise ConfigError(
            f"--device {device} goes with --engine {DEFAULT_ENGINE}, without --build; leave it out"
        )
    chosen = engine_on(EngineSpec(DEFAULT_ENGINE), device)
    names = engines.split(",")
    for name in names:
        if name not in (*ENGINES, STUB):
            raise ConfigError(
                f"--engine {engines}: no engine {name!r}; there are {', '.join(ENGINES)}"
            )
        check_texture_size(size, name)
    # Without the upstream engine the others get the program, and refuse it.
    takes_program = {UPSTREAM_ENGINE} & set(names) or set(names)
    specs = [engine_spec(name, engine_bin if name in takes_program else None) for name in names]
    source = open_source(SourceSpec(src, endpoint=s3_endpoint, **source_choices(choices)))
    jobs = bench_jobs(source, limit, size, image_format)

    def on_round(done: int) -> None:
        if sys.stderr is not None and sys.stderr.isatty():
            click.echo(f"\rround {done} of {repeat}" + "\n" * (done == repeat), nl=False, err=True)

    if chosen.gpu is not None:
        rates = compare_devices(chosen.engine, chosen.gpu, jobs, repeat, on_round)
        data = {"processor": _processor(), "devices": [asdict(rate) for rate in rates]}
        print_result(data, _rate_lines(jobs, rates), as_json=as_json)
        return
    if chosen.note:
        click.echo(chosen.note, err=True)
    costs = compare_engines(specs, jobs, repeat, on_round)
    options = ["--src", src, "--size", str(size), "--format", image_format, "--limit", str(limit)]
    options += ["--s3-endpoint", s3_endpoint] if s3_endpoint else []
    given = {name.replace("_", "-"): value for name, value in choices.items() if value}
    options += [word for name, value in given.items() for word in (f"--{name}", value)]
    builds = compare_builds(specs, options, repeat, on_round) if whole_builds else []
    print_result(_data(jobs, costs, builds), _lines(jobs, costs, builds), as_json=as_json)


def _data(
    jobs: Sequence[BenchJob], costs: Sequence[EngineCost], builds: Sequence[BuildCost]
) -> dict[str, Any]:
    decode_s = statistics.fmean(job.decode_s for job in jobs)
    return {
        "processor": _processor(),
        "python": platform.python_version(),
        "textures": len(jobs),
        "decode_s": decode_s,
        "engines": [asdict(cost) | {"texture_s": cost.texture_s} for cost in costs],
        "builds": [asdict(cost) | {"texture_s": cost.texture_s} for cost in builds],
    }


def _lines(
    jobs: Sequence[BenchJob], costs: Sequence[EngineCost], builds: Sequence[BuildCost]
) -> list[str]:
    decode_ms = 1e3 * statistics.fmean(job.decode_s for job in jobs)
    size = jobs[0].job.size
    lines = [
        f"{_processor()}; Python {platform.python_version()}; {len(jobs)} textures of {size} px "
        f"a round, {pluralize(len(costs[0].rounds), 'round')}",
        "core-ms a texture, median (range of rounds); where they go (wall clock): mean of all",
    ]
    last = costs[-1]
    for cost in costs:
        low, high = 1e3 * min(cost.rounds), 1e3 * max(cost.rounds)
        line = f"{cost.name} {cost.version}: {1e3 * cost.texture_s:.1f} ({low:.1f} to {high:.1f})"
        # The stub may take less time than the process clock can measure.
        if cost is not last and cost.texture_s > 0:
            line += f", {last.texture_s / cost.texture_s:.1f} times faster than {last.name}"
        parts = [f"{part} {1e3 * seconds:.2f}" for part, seconds in cost.parts.items()]
        lines += [line, "  " + ", ".join([*parts, f"rest {1e3 * cost.rest_s:.2f}"])]
        if cost.schedule_s:
            lines.append(
                f"  schedules once a process: {1e3 * cost.schedule_s:.0f} ms, "
                f"{1e3 * cost.schedule_s / SAMPLES_PER_SHARD:.2f} a texture over one shard of "
                f"{SAMPLES_PER_SHARD}"
            )
    lines.append(f"decoding the image, in the task process: {decode_ms:.2f}")
    if builds:
        lines.append("whole builds, start-up and schedules included, median (range)")
    lines += [_build_line(cost) for cost in builds]
    return lines


def _rate_lines(jobs: Sequence[BenchJob], rates: Sequence[DeviceRate]) -> Iterator[str]:
    size, image_format = jobs[0].job.size, jobs[0].job.image_format
    yield f"textures/s ({size} px, {image_format}), {len(jobs)} at once, median (range of rounds)"
    for rate in rates:
        low, high = min(rate.rounds), max(rate.rounds)
        yield f"{rate.name}: {rate.per_second:.1f} ({low:.1f} to {high:.1f})"


def _build_line(cost: BuildCost) -> str:
    low, high = 1e3 * min(cost.core_s), 1e3 * max(cost.core_s)
    line = (
        f"{cost.name}: {1e3 * cost.texture_s:.1f} core-ms a texture ({low:.1f} to {high:.1f}), "
        f"{cost.per_second:.2f} textures/s on {pluralize(available_cpus(), 'core')}"
    )
    if cost.textures < _MIN_PROJECTED:
        return f"{line}; --limit {_MIN_PROJECTED} or more estimates the cost of ImageNet"
    hours = _IMAGENET_IMAGES * cost.texture_s / 3600
    return f"{line}; {hours:.0f} core-hours for ImageNet's {_IMAGENET_IMAGES:,} images"


def _processor() -> str:
    return processor_name() or platform.machine()
