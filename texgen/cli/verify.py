"""`texgen verify`."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterator
from dataclasses import asdict

import click

from texgen.cli.options.common import out_argument, place_option, transfer_options
from texgen.cli.options.from_config import config_option
from texgen.cli.output import first_lines, print_result
from texgen.cli.progress import verify_progress
from texgen.core import signals
from texgen.core.config import CPU, MAX_WORKERS, RunOptions
from texgen.core.errors import ConfigError
from texgen.core.text import pluralize
from texgen.storage import Sink, open_store
from texgen.verify import DeepOptions, VerifyReport, verify

_SHOWN = 20
_SAMPLE = 16
_SEED_BITS = 32


@click.command(name="verify")
@out_argument
@click.option("--deep", is_flag=True, help="Also decode every texture.")
@place_option(
    "--src",
    "SRC",
    "With --deep: images that OUT was built from, to compare rows and textures with.",
)
@place_option(
    "--labels",
    "F",
    "With --src: file with the classes of a split without class folders, as for texgen build.",
)
@click.option(
    "--sample",
    type=click.IntRange(0),
    metavar="N",
    help=f"With --src: number of textures to rebuild and compare.  [default: {_SAMPLE}]",
)
@click.option(
    "--sample-seed",
    type=int,
    help="With --src: seed that chooses the --sample textures; the result names it.  [default: "
    "a new one for each run]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    help="Number of shards that are read at the same time.  [default: number of processors]",
)
@config_option(
    RunOptions,
    "device",
    default=None,
    help="With --src: what rebuilds the --sample textures, as for texgen build.  [default: cpu]",
)
@transfer_options
def command(
    out: str,
    deep: bool,
    src: str | None,
    labels: str | None,
    sample: int | None,
    sample_seed: int | None,
    workers: int | None,
    device: str | None,
    s3_endpoint: str | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Check every shard, sample and manifest row of OUT.

    The exit code is 1 if there is a fault.
    """
    if src is not None and not deep:
        raise ConfigError("--src goes with --deep; add it")
    if src is None and (labels, sample, sample_seed, device) != (None, None, None, None):
        raise ConfigError("--labels, --sample, --sample-seed and --device go with --src; add it")
    if sample == 0:
        _check_unused(device=device, sample_seed=sample_seed)
    # With a fixed seed some textures would never be rebuilt.
    seed = secrets.randbits(_SEED_BITS) if sample_seed is None else sample_seed
    sample = _SAMPLE if sample is None else sample
    checks = DeepOptions(src, sample, seed, s3_endpoint, labels, device or CPU) if deep else None
    with signals.kept():
        # No clean-up is needed: nothing is written, and engines end with this process.
        signals.catch(lambda number, _: signals.leave(number, "stopped"))
        with verify_progress(quiet=quiet) as on_progress:
            report = verify(
                Sink(out, s3_endpoint=s3_endpoint), workers, deep=checks, progress=on_progress
            )
    print_result(asdict(report), _lines(out, report, s3_endpoint), as_json=as_json)
    return 1 if report.faults else 0


def _check_unused(*, device: str | None, sample_seed: int | None) -> None:
    """Refuses options of textures that are rebuilt, of which there are none."""
    for name, value in (("--device", device), ("--sample-seed", sample_seed)):
        if value is not None:
            raise ConfigError(
                f"{name} {value} goes with textures that are rebuilt, and --sample 0 rebuilds "
                "none: leave one out"
            )


def _lines(out: str, report: VerifyReport, s3_endpoint: str | None) -> list[str]:
    verdict = pluralize(len(report.faults), "fault") if report.faults else "no fault"
    lines = [
        f"{out}: {verdict}; {pluralize(report.shards, 'shard')}, "
        f"{pluralize(report.textures, 'texture')} and "
        f"{pluralize(report.rows, 'manifest row')} read",
        *_deep_line(report),
    ]
    lines += [f"  note: {note}" for note in report.notes]
    lines += first_lines(report.faults, _SHOWN, "  {}".format)
    return [*lines, *_hints(out, report, s3_endpoint)]


def _deep_line(report: VerifyReport) -> Iterator[str]:
    """Yields what a deep check has covered."""
    if report.decoded or report.photographs:
        counts = [f"{pluralize(report.decoded, 'texture')} decoded"]
        if report.photographs:
            counts.append(f"{pluralize(report.photographs, 'image')} compared")
        if report.sample_seed is not None:
            counts.append(f"{report.remade} rebuilt (--sample-seed {report.sample_seed})")
        yield f"  {', '.join(counts)}"


def _hints(out: str, report: VerifyReport, s3_endpoint: str | None) -> Iterator[str]:
    """Yields what to do about the faults; a build rebuilds what is deleted."""
    if report.strays:
        yield f"Move the files that are not in the index out of {out}."
    if report.unread:
        yield "Files that cannot be read were not checked: repair them, and run verify again."
    others = len(report.faults) - len(report.strays) - len(report.unread) - len(report.sources)
    if report.sources:
        yield (
            "SRC differs from what OUT was built from: restore its images, name the right --src, "
            "or build into a new OUT."
        )
        if others > 0:
            yield "Delete nothing in OUT: no build can repair it from this SRC. Then verify again."
    elif others > 0 and not report.mendable:
        yield f"{out} has no folder _build to resume from: copy it again, or build into a new OUT."
    elif others > 0 and report.hindrance:
        yield (
            f"Delete nothing: a build here would not rebuild it, since {report.hindrance}. "
            "Verify with the texgen that OUT was built with, or build into a new OUT."
        )
    elif others > 0:
        yield from _rebuild(out, report, s3_endpoint)


def _rebuild(out: str, report: VerifyReport, s3_endpoint: str | None) -> Iterator[str]:
    """Yields the shards to delete before the same build."""
    if report.delete:
        yield "If you have the images as they were, delete the damaged shards:"
        yield from _delete_lines(out, report.delete, "delete", s3_endpoint)
    if report.unlike_src:
        yield (
            "Some shards are intact, but differ from what SRC gives. If an image or Pillow has "
            "changed since OUT was built, restore it; otherwise delete these shards:"
        )
        yield from _delete_lines(out, report.unlike_src, "unlike_src", s3_endpoint)
    verb = "Then run" if report.delete or report.unlike_src else "Run"
    yield f"{verb} the same `texgen build` again: it rebuilds what is damaged or missing."


def _delete_lines(out: str, paths: list[str], field: str, s3_endpoint: str | None) -> Iterator[str]:
    place = open_store(out).place
    places = [shlex.quote(place(path)) for path in paths[:_SHOWN]]
    if "://" in places[0]:
        endpoint = f"--endpoint-url {s3_endpoint} " if s3_endpoint else ""
        yield from (f"aws s3 {endpoint}rm {place}" for place in places)
    else:
        yield f"rm -- {' '.join(places)}"
    if len(paths) > _SHOWN:
        yield f'  and {len(paths) - _SHOWN} more; --json lists them under "{field}"'
