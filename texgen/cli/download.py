"""`texgen download`."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import click

from texgen.cli.bar import transfer_bar
from texgen.cli.options.common import Place, s3_endpoint_option
from texgen.cli.output import print_json, print_result
from texgen.cli.output_files import check_apart
from texgen.core.errors import ConfigError
from texgen.core.text import format_bytes, pluralize
from texgen.transfer import DownloadRequest, download, folder_of, open_remote

_NUMBERS = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")


@click.command(name="download", short_help="prebuilt shards")
@click.argument("url", type=Place(), metavar="URL")
@click.option("--out", type=Place(), required=True, metavar="DIR", help="Folder for the data set.")
@click.option("--split", "splits", multiple=True, help="Only this split; may be repeated.")
@click.option("--shards", metavar="A-B", help="Only shards A to B of each split, such as 0-9.")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=8,
    show_default=True,
    help="Files fetched side by side.",
)
@s3_endpoint_option
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(
    url: str,
    out: str,
    splits: tuple[str, ...],
    shards: str | None,
    workers: int,
    s3_endpoint: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Download the finished data set at URL: https://, s3:// or a folder.

    Every file is checked against its SHA-256. The same command goes on where an earlier one
    stopped, in the middle of a shard too.
    """
    if "://" in out:
        message = f"--out {out}: a download goes into a folder"
        raise ConfigError(message)
    if (folder := folder_of(url)) is not None:
        check_apart("--out", out, folder)
    request = DownloadRequest(Path(out), splits, _range(shards), workers)
    with transfer_bar(quiet=quiet, of_bytes=True) as tell:
        summary = download(open_remote(url, s3_endpoint), request, tell)
    if as_json:
        print_json(json.dumps(asdict(summary)))
        return
    how = f"{format_bytes(summary.fetched)} fetched" if summary.fetched else "already complete"
    print_result(
        f"{pluralize(summary.samples, 'texture')} in {pluralize(summary.files, 'file')}, "
        f"{format_bytes(summary.bytes)}: {out} ({how})"
    )


def _range(text: str | None) -> range | None:
    if text is None:
        return None
    match = _NUMBERS.fullmatch(text.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if last < first:
        message = f"--shards {text}: expected a range such as 0-9"
        raise ConfigError(message)
    return range(first, last + 1)
