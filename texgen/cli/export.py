"""`texgen export`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from texgen.cli.options.common import out_argument, place_option, splits_option, transfer_options
from texgen.cli.output import check_folder, print_result
from texgen.cli.progress import transfer_progress
from texgen.core.text import pluralize
from texgen.dataset.reader import Dataset
from texgen.storage import Sink
from texgen.transfer import export


@click.command(name="export")
@out_argument
@place_option("--to", "DIR", "Folder of the image files.", required=True)
@splits_option("export")
@transfer_options
def command(
    out: str,
    to: str,
    splits: tuple[str, ...],
    s3_endpoint: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write the textures of OUT as image files.

    They become DIR/<split>/<class>/<name>, as the trainer of the paper's authors reads them. DIR is
    a new folder, or that of an earlier export of OUT, which is resumed.
    """
    check_folder("--to", to, "export", None if "://" in out else out)
    with transfer_progress(quiet=quiet, of_bytes=False) as on_progress:
        dataset = Dataset(Sink(out, s3_endpoint=s3_endpoint))
        summary = export(dataset, splits, Path(to), on_progress)
    failed = f", {pluralize(summary.failed, 'row')} without a texture" if summary.failed else ""
    line = f"{pluralize(summary.files, 'texture')} in {to}, {summary.written} new{failed}"
    print_result(asdict(summary), [line], as_json=as_json)
