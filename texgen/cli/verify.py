"""`texgen verify`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import asdict

import click

from texgen.cli.options import WORKERS, Place, s3_endpoint_option
from texgen.cli.output import print_result
from texgen.storage import open_sink, place_of
from texgen.verify import Report, verify
from texgen.words import count_of

_SHOWN = 20


@click.command(name="verify", short_help="every file of OUT against its index")
@click.argument("out", type=Place(), metavar="OUT")
@click.option("--workers", type=WORKERS, help="Shards read side by side.")
@s3_endpoint_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(out: str, workers: int | None, s3_endpoint: str | None, as_json: bool) -> int:
    """Check every shard, sample and manifest row of OUT; exit code 1 on any fault."""
    report = verify(open_sink(out, s3_endpoint=s3_endpoint), workers)
    print_result(json.dumps(asdict(report)) if as_json else _text(out, report, s3_endpoint))
    return 1 if report.faults else 0


def _text(out: str, report: Report, s3_endpoint: str | None) -> str:
    verdict = count_of(len(report.faults), "fault") if report.faults else "no fault"
    lines = [
        f"{out}: {verdict}; {count_of(report.shards, 'shard')}, "
        f"{count_of(report.textures, 'texture')} and "
        f"{count_of(report.rows, 'manifest row')} read"
    ]
    lines += [f"  note: {note}" for note in report.notes]
    lines += [f"  {fault}" for fault in report.faults[:_SHOWN]]
    if len(report.faults) > _SHOWN:
        lines.append(f"  … and {len(report.faults) - _SHOWN} more; --json lists them all")
    return "\n".join([*lines, *_mend(out, report, s3_endpoint)])


def _mend(out: str, report: Report, s3_endpoint: str | None) -> Iterator[str]:
    """What to type against the faults."""
    if report.strays:
        yield f"Move what is not in the index out of {out}, or delete it."
    if len(report.faults) == len(report.strays):
        return
    if not report.mendable:
        yield f"{out} has no _build to go on from: copy it anew, or build into a new OUT."
        return
    shown = report.delete[:_SHOWN]
    if shown:
        yield from _delete_lines([shlex.quote(place_of(out, path)) for path in shown], s3_endpoint)
    if len(report.delete) > _SHOWN:
        yield f'  and {len(report.delete) - _SHOWN} more; --json lists them under "delete"'
    before = "Then run" if shown else "Run"
    yield f"{before} the same `texgen build` again: it makes anew what is damaged or gone."


def _delete_lines(places: list[str], s3_endpoint: str | None) -> Iterator[str]:
    if "://" in places[0]:
        where = f"--endpoint-url {s3_endpoint} " if s3_endpoint else ""
        yield from (f"aws s3 {where}rm {place}" for place in places)
    else:
        yield f"rm -- {' '.join(places)}"
