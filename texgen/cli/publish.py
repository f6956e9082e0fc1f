"""`texgen publish`."""

from __future__ import annotations

import shlex
from dataclasses import asdict

import click

from texgen.cli.options.common import out_argument, transfer_options, transfer_workers_option
from texgen.cli.options.param_types import Place
from texgen.cli.output import print_result
from texgen.cli.progress import transfer_progress
from texgen.core.errors import ConfigError
from texgen.core.text import format_bytes, pluralize
from texgen.storage import Sink
from texgen.storage.s3.address import SCHEME, endpoint_from_environment, parse


@click.command(name="publish")
@out_argument
@click.argument("url", type=Place(), metavar="URL")
@transfer_workers_option("uploaded")
@transfer_options
def command(
    out: str, url: str, workers: int, s3_endpoint: str | None, quiet: bool, as_json: bool
) -> None:
    """Upload the finished data set OUT to URL, for texgen download.

    URL is s3://bucket/prefix. Every file is checked against its SHA-256 during the upload, and the
    index is uploaded last. The same command resumes an interrupted upload. The settings of the
    bucket decide who may read it.
    """
    _check_places(out, url)
    from texgen.transfer.publish import open_publish_source, publish

    sink = Sink(url, None, s3_endpoint)
    with (
        open_publish_source(out, s3_endpoint) as origin,
        transfer_progress(quiet=quiet, of_bytes=True) as on_progress,
    ):
        summary = publish(origin, sink, workers, on_progress)
    download = _download_command(sink.url, s3_endpoint or endpoint_from_environment())
    action = f"{format_bytes(summary.sent)} sent" if summary.sent else "already complete"
    line = (
        f"{pluralize(summary.samples, 'texture')} in {pluralize(summary.files, 'file')}, "
        f"{format_bytes(summary.bytes)}: {sink.url} ({action}); to download it:"
    )
    print_result({**asdict(summary), "download": download}, [line, download], as_json=as_json)


def _check_places(out: str, url: str) -> None:
    if not url.startswith(SCHEME):
        scheme, mark, _ = url.partition("://")
        message = f"{scheme if mark else url}{mark}: publish writes only to s3://bucket/prefix"
        if not mark:
            message += f"; `texgen download {out} --out {url}` copies a data set to a folder"
        raise ConfigError(message)
    if out.startswith(SCHEME) and parse(out).overlaps(parse(url)):
        raise ConfigError(f"{out} and {url}: neither may lie inside the other; name another prefix")


def _download_command(url: str, endpoint: str | None) -> str:
    """Returns the command that downloads the published data set."""
    # The endpoint of the environment may hold a password, which is not printed.
    endpoint = None if endpoint and "@" in endpoint else endpoint
    line = ["texgen", "download", url, *(["--s3-endpoint", endpoint] if endpoint else [])]
    return shlex.join([*line, "--out", "shards/"])
