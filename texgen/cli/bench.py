"""`texgen bench`."""

from __future__ import annotations

import contextlib
import json
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from texgen.build.bench import BenchJob, EngineCost, bench_jobs, compare
from texgen.build.bench_whole import BuildCost, compare_builds
from texgen.cli.options.common import (
    Place,
    check_size,
    engine_bin_option,
    engine_spec,
    s3_endpoint_option,
    size_option,
)
from texgen.cli.options.source import choice_options, chosen
from texgen.cli.output import print_json, print_result
from texgen.core.config import DEFAULT_ENGINE, ENGINES, FORMATS, STUB, UPSTREAM_ENGINE
from texgen.core.cpus import available_cpus
from texgen.core.errors import ConfigError
from texgen.core.text import pluralize
from texgen.source import SourceSpec, open_source

_SHARD = 512
_IMAGENET = 1_281_167 + 50_000
_PROJECTED_FROM = 200
"""Of fewer textures the start of a build, some core-seconds, would be most of the figure."""
"""ILSVRC-2012, train and val."""


@click.command(name="bench", short_help="what engines cost on your photographs, side by side")
@click.option("--src", type=Place(), required=True, metavar="SRC", help="Photographs, as build.")
@choice_options
@click.option(
    "--engine",
    "engines",
    default=DEFAULT_ENGINE,
    show_default=True,
    metavar="A,B,…",
    help=f"Of {', '.join(ENGINES)}; ratios are against the last.",
)
@engine_bin_option
@size_option
@click.option("--format", "image_format", type=click.Choice(FORMATS), default="png")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, help="Photographs.")
@click.option("--repeat", type=click.IntRange(1, 1000), default=3, help="Rounds.")
@click.option("--build", "whole", is_flag=True, help="Whole builds of the first photographs, too.")
@s3_endpoint_option
@click.option("--json", "as_json", is_flag=True, help="Print the costs as JSON.")
def command(
    src: str,
    engines: str,
    engine_bin: str | None,
    size: int,
    image_format: str,
    limit: int,
    repeat: int,
    whole: bool,
    s3_endpoint: str | None,
    as_json: bool,
    **how: str | None,
) -> None:
    """Measure processor seconds a texture and where they go; photographs spread over SRC."""
    names = engines.split(",")
    for name in names:
        if name not in (*ENGINES, STUB):
            message = f"--engine {engines}: no engine {name!r}; there are {', '.join(ENGINES)}"
            raise ConfigError(message)
        check_size(size, name)
    # Without that engine the program goes to the others, which refuse it.
    takes_program = {UPSTREAM_ENGINE} & set(names) or set(names)
    specs = [engine_spec(name, engine_bin if name in takes_program else None) for name in names]
    source = open_source(SourceSpec(src, endpoint=s3_endpoint, **chosen(how)))
    jobs = bench_jobs(source, limit, size, image_format)

    def tell(done: int) -> None:
        if sys.stderr is not None and sys.stderr.isatty():
            click.echo(f"\rround {done} of {repeat}" + "\n" * (done == repeat), nl=False, err=True)

    costs = compare(specs, jobs, repeat, tell)
    options = ["--src", src, "--size", str(size), "--format", image_format, "--limit", str(limit)]
    options += ["--s3-endpoint", s3_endpoint] if s3_endpoint else []
    given = {name.replace("_", "-"): value for name, value in how.items() if value}
    options += [word for name, value in given.items() for word in (f"--{name}", value)]
    builds = compare_builds(specs, options, repeat, tell) if whole else []
    if as_json:
        print_json(_json(jobs, costs, builds))
    else:
        print_result(*_text(jobs, costs, builds))


def _json(
    jobs: Sequence[BenchJob], costs: Sequence[EngineCost], builds: Sequence[BuildCost]
) -> str:
    decode_s = statistics.fmean(job.decode_s for job in jobs)
    report = {
        "processor": _processor(),
        "python": platform.python_version(),
        "textures": len(jobs),
        "decode_s": decode_s,
        "engines": [asdict(cost) | {"texture_s": cost.texture_s} for cost in costs],
        "builds": [asdict(cost) | {"texture_s": cost.texture_s} for cost in builds],
    }
    return json.dumps(report)


def _text(
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
        # The stub may take less than the clock of processes tells.
        if cost is not last and cost.texture_s > 0:
            line += f", {last.texture_s / cost.texture_s:.1f} times faster than {last.name}"
        parts = [f"{part} {1e3 * spent:.2f}" for part, spent in cost.parts.items()]
        lines += [line, "  " + ", ".join([*parts, f"rest {1e3 * cost.rest_s:.2f}"])]
        if cost.schedule_s:
            lines.append(
                f"  schedules once a process: {1e3 * cost.schedule_s:.0f} ms, "
                f"{1e3 * cost.schedule_s / _SHARD:.2f} a texture over one shard of {_SHARD}"
            )
    lines.append(f"decoding the photograph, in the task process: {decode_ms:.2f}")
    if builds:
        lines.append("whole builds, start-up and schedules included, median (range)")
    lines += [_build_line(cost) for cost in builds]
    return lines


def _build_line(cost: BuildCost) -> str:
    low, high = 1e3 * min(cost.core_s), 1e3 * max(cost.core_s)
    line = (
        f"{cost.name}: {1e3 * cost.texture_s:.1f} core-ms a texture ({low:.1f} to {high:.1f}), "
        f"{cost.per_second:.2f} textures/s on {pluralize(available_cpus(), 'core')}"
    )
    if cost.textures < _PROJECTED_FROM:
        return f"{line}; --limit {_PROJECTED_FROM} or more says what ImageNet costs"
    hours = _IMAGENET * cost.texture_s / 3600
    return f"{line}; {hours:.0f} core-hours for ImageNet's {_IMAGENET:,} photographs"


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
