"""`texgen download`."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import click

from texgen.cli.options.common import (
    place_option,
    splits_option,
    transfer_options,
    transfer_workers_option,
)
from texgen.cli.options.param_types import Place
from texgen.cli.output import check_folder, print_result
from texgen.cli.progress import transfer_progress
from texgen.core.errors import ConfigError
from texgen.core.text import format_bytes, pluralize
from texgen.transfer import DownloadRequest, download, folder_of, open_remote

_NUMBERS = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")


@click.command(name="download")
@click.argument("url", type=Place(), metavar="URL")
@place_option("--out", "DIR", "Folder of the data set.", required=True)
@splits_option("download")
@click.option(
    "--shards",
    metavar="A-B",
    help="Numbers of the first and the last shard of each split, such as 0-9.  "
    "[default: all shards]",
)
@transfer_workers_option("downloaded")
@transfer_options
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
    """Download the finished data set at URL.

    URL begins with https://, s3:// or hf://datasets/, or is a folder. Every file is checked against
    its SHA-256.
    The same command resumes an interrupted download, also in the middle of a shard.
    """
    check_folder("--out", out, "download", folder_of(url))
    request = DownloadRequest(Path(out), splits, _shard_range(shards), workers)
    with transfer_progress(quiet=quiet, of_bytes=True) as on_progress:
        summary = download(open_remote(url, s3_endpoint), request, on_progress)
    action = f"{format_bytes(summary.fetched)} fetched" if summary.fetched else "already complete"
    line = (
        f"{pluralize(summary.samples, 'texture')} in {pluralize(summary.files, 'file')}, "
        f"{format_bytes(summary.bytes)}: {out} ({action})"
    )
    print_result(asdict(summary), [line], as_json=as_json)


def _shard_range(text: str | None) -> range | None:
    if text is None:
        return None
    match = _NUMBERS.fullmatch(text.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if last < first:
        raise ConfigError(f"--shards {text}: expected a range such as 0-9")
    return range(first, last + 1)
