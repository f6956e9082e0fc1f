"""`texgen verify`."""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Iterator
from dataclasses import asdict

import click

from texgen.cli.options.common import WORKERS, Place, s3_endpoint_option
from texgen.cli.output import print_json, print_result
from texgen.cli.progress import open_check_view
from texgen.core import signals
from texgen.core.errors import ConfigError
from texgen.core.text import pluralize
from texgen.storage import open_sink, place_of
from texgen.verify import Deep, VerifyReport, verify

_SHOWN = 20
_SAMPLE = 16
_SEED_BITS = 32


@click.command(name="verify", short_help="every file of OUT against its index")
@click.argument("out", type=Place(), metavar="OUT")
@click.option("--deep", is_flag=True, help="Decode every texture too.")
@click.option(
    "--src",
    type=Place(),
    metavar="SRC",
    help="With --deep: compare with the photographs that OUT was built from.",
)
@click.option(
    "--labels", type=Place(), metavar="F", help="With --src: classes of a flat split, as in build."
)
@click.option(
    "--sample",
    type=click.IntRange(0),
    metavar="N",
    help=f"With --src: textures to make anew and compare.  [default: {_SAMPLE}]",
)
@click.option(
    "--sample-seed",
    type=int,
    help="Chooses them; the report names it.  [default: another one each time]",
)
@click.option("--workers", type=WORKERS, help="Shards read side by side.")
@s3_endpoint_option
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(
    out: str,
    deep: bool,
    src: str | None,
    labels: str | None,
    sample: int | None,
    sample_seed: int | None,
    workers: int | None,
    s3_endpoint: str | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Check every shard, sample and manifest row of OUT; exit code 1 on any fault."""
    wanted = _deep(deep, src, labels, sample, sample_seed, s3_endpoint)
    with signals.kept():
        # Nothing is written that would have to be cleared away, and engines end with this process.
        signals.catch(lambda number, _: signals.leave(number, "stopped"))
        with open_check_view(quiet=quiet) as show:
            report = verify(
                open_sink(out, s3_endpoint=s3_endpoint), workers, deep=wanted, progress=show
            )
    if as_json:
        print_json(json.dumps(asdict(report)))
    else:
        print_result(*_text(out, report, s3_endpoint))
    return 1 if report.faults else 0


def _deep(
    deep: bool,
    src: str | None,
    labels: str | None,
    sample: int | None,
    sample_seed: int | None,
    s3_endpoint: str | None,
) -> Deep | None:
    """What the options ask for beyond the index."""
    if src is not None and not deep:
        message = "--src goes with --deep; add it"
        raise ConfigError(message)
    if src is None and (labels, sample, sample_seed) != (None, None, None):
        message = "--labels, --sample and --sample-seed go with --src; name the photographs"
        raise ConfigError(message)
    if not deep:
        return None
    # A fixed one would tell beforehand which textures are not made anew.
    seed = secrets.randbits(_SEED_BITS) if sample_seed is None else sample_seed
    return Deep(src, _SAMPLE if sample is None else sample, seed, s3_endpoint, labels)


def _text(out: str, report: VerifyReport, s3_endpoint: str | None) -> list[str]:
    verdict = pluralize(len(report.faults), "fault") if report.faults else "no fault"
    lines = [
        f"{out}: {verdict}; {pluralize(report.shards, 'shard')}, "
        f"{pluralize(report.textures, 'texture')} and "
        f"{pluralize(report.rows, 'manifest row')} read",
        *_looked_at(report),
    ]
    lines += [f"  note: {note}" for note in report.notes]
    lines += [f"  {fault}" for fault in report.faults[:_SHOWN]]
    if len(report.faults) > _SHOWN:
        lines.append(f"  … and {len(report.faults) - _SHOWN} more; --json lists them all")
    return [*lines, *_mend(out, report, s3_endpoint)]


def _looked_at(report: VerifyReport) -> Iterator[str]:
    """What a deep check has looked at."""
    if report.decoded or report.photographs:
        done = [f"{pluralize(report.decoded, 'texture')} decoded"]
        if report.photographs:
            done.append(f"{pluralize(report.photographs, 'photograph')} compared")
        if report.sample_seed is not None:
            done.append(f"{report.remade} made anew (--sample-seed {report.sample_seed})")
        yield f"  {', '.join(done)}"


def _mend(out: str, report: VerifyReport, s3_endpoint: str | None) -> Iterator[str]:
    """What to type against the faults; what is deleted for it, a build makes anew."""
    if report.strays:
        yield f"Move what is not in the index out of {out}."
    if report.unread:
        yield "What cannot be read was not checked: mend what is said of it, and verify again."
    others = len(report.faults) - len(report.strays) - len(report.unread) - len(report.sources)
    if report.sources:
        yield (
            "SRC is not what OUT was built from: put the photographs back as they were, name "
            "the right --src, or build into a new OUT."
        )
        if others > 0:
            yield "Delete nothing of OUT, and verify again then: no build mends it from this SRC."
    elif others > 0 and not report.mendable:
        yield f"{out} has no _build to go on from: copy it anew, or build into a new OUT."
    elif others > 0 and report.hindrance:
        yield (
            f"Delete nothing: a build here would not make it again, since {report.hindrance}. "
            "Verify with the texgen that OUT was built with, or build into a new OUT."
        )
    elif others > 0:
        yield from _rebuild(out, report, s3_endpoint)


def _rebuild(out: str, report: VerifyReport, s3_endpoint: str | None) -> Iterator[str]:
    """Which shards to delete before the same build."""
    if report.delete:
        yield "With the photographs at hand as they were, delete the shards that are damaged:"
        yield from _delete_lines(out, report.delete, "delete", s3_endpoint)
    if report.unlike_src:
        yield (
            "Some shards are whole, but not what SRC gives: has a photograph or Pillow changed "
            "since OUT was built, put that back; only else delete them:"
        )
        yield from _delete_lines(out, report.unlike_src, "unlike_src", s3_endpoint)
    before = "Then run" if report.delete or report.unlike_src else "Run"
    yield f"{before} the same `texgen build` again: it makes anew what is damaged or gone."


def _delete_lines(out: str, paths: list[str], field: str, s3_endpoint: str | None) -> Iterator[str]:
    places = [shlex.quote(place_of(out, path)) for path in paths[:_SHOWN]]
    if "://" in places[0]:
        where = f"--endpoint-url {s3_endpoint} " if s3_endpoint else ""
        yield from (f"aws s3 {where}rm {place}" for place in places)
    else:
        yield f"rm -- {' '.join(places)}"
    if len(paths) > _SHOWN:
        yield f'  and {len(paths) - _SHOWN} more; --json lists them under "{field}"'
