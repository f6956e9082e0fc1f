"""`texgen verify`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from texgen.cli.options import WORKERS, Place
from texgen.storage import open_sink
from texgen.verify import Report, verify

_SHOWN = 20


@click.command(name="verify", short_help="every file of OUT against its index")
@click.argument("out", type=Place(), metavar="OUT")
@click.option("--workers", type=WORKERS, help="Shards read side by side.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(out: str, workers: int | None, as_json: bool) -> int:
    """Check every shard, sample and manifest row of OUT; exit code 1 on any fault."""
    report = verify(open_sink(out), workers)
    click.echo(json.dumps(asdict(report)) if as_json else _text(out, report))
    return 1 if report.faults else 0


def _text(out: str, report: Report) -> str:
    verdict = f"{len(report.faults)} faults" if report.faults else "no fault"
    lines = [
        f"{out}: {verdict}; {report.shards} shards, {report.textures} textures and "
        f"{report.rows} manifest rows read"
    ]
    lines += [f"  note: {note}" for note in report.notes]
    lines += [f"  {fault}" for fault in report.faults[:_SHOWN]]
    if len(report.faults) > _SHOWN:
        lines.append(f"  … and {len(report.faults) - _SHOWN} more; --json lists them all")
    return "\n".join(lines)
