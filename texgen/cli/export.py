"""`texgen export`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from texgen.cli.bar import transfer_bar
from texgen.cli.options.common import Place, s3_endpoint_option
from texgen.cli.output import print_json, print_result
from texgen.cli.output_files import check_apart
from texgen.core.errors import ConfigError
from texgen.core.text import pluralize
from texgen.dataset.reader import Dataset
from texgen.storage import open_sink
from texgen.transfer import export


@click.command(name="export", short_help="a folder of class folders of image files")
@click.argument("out", type=Place(), metavar="OUT")
@click.option("--to", type=Place(), required=True, metavar="DIR", help="Folder for the files.")
@click.option("--split", "splits", multiple=True, help="Only this split; may be repeated.")
@s3_endpoint_option
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(
    out: str,
    to: str,
    splits: tuple[str, ...],
    s3_endpoint: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write the textures of OUT as image files: DIR/<split>/<class>/<name>.

    That is how the paper's authors' trainer takes them. DIR is a new folder; the same command
    goes on where an earlier one stopped.
    """
    if "://" in to:
        message = f"--to {to}: an export goes into a folder"
        raise ConfigError(message)
    if "://" not in out:
        check_apart("--to", to, out)
    with transfer_bar(quiet=quiet, of_bytes=False) as tell:
        dataset = Dataset(open_sink(out, s3_endpoint=s3_endpoint))
        summary = export(dataset, splits, Path(to), tell)
    if as_json:
        print_json(json.dumps(asdict(summary)))
        return
    failed = f", {pluralize(summary.failed, 'row')} without a texture" if summary.failed else ""
    print_result(f"{pluralize(summary.files, 'texture')} in {to}, {summary.written} new{failed}")
