"""`texgen publish`."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict

import click

from texgen.cli.bar import transfer_bar
from texgen.cli.options.common import Place, s3_endpoint_option
from texgen.cli.output import print_json, print_result
from texgen.core.errors import ConfigError
from texgen.core.text import format_bytes, pluralize
from texgen.storage.s3.address import SCHEME, endpoint_from_environment, parse


@click.command(name="publish", short_help="a finished data set to s3://, index last")
@click.argument("out", type=Place(), metavar="OUT")
@click.argument("url", type=Place(), metavar="URL")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=8,
    show_default=True,
    help="Files sent side by side.",
)
@s3_endpoint_option
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(
    out: str, url: str, workers: int, s3_endpoint: str | None, quiet: bool, as_json: bool
) -> None:
    """Publish the finished data set OUT at URL, s3://bucket/prefix, for `texgen download`.

    Every file is checked against its SHA-256 as it is sent, and the index goes last. The same
    command goes on where an earlier one stopped. Who may read the bucket is the bucket's matter.
    """
    _check_places(out, url)
    from texgen.storage.s3.sink import S3Sink
    from texgen.transfer.publish import publish
    from texgen.transfer.publish_source import open_publish_source

    sink = S3Sink(url, None, s3_endpoint)
    with (
        open_publish_source(out, s3_endpoint) as origin,
        transfer_bar(quiet=quiet, of_bytes=True) as tell,
    ):
        summary = publish(origin, sink, workers, tell)
    line = _download_line(sink.url, s3_endpoint or endpoint_from_environment())
    if as_json:
        print_json(json.dumps({**asdict(summary), "download": line}))
        return
    how = f"{format_bytes(summary.sent)} sent" if summary.sent else "already complete"
    print_result(
        f"{pluralize(summary.samples, 'texture')} in {pluralize(summary.files, 'file')}, "
        f"{format_bytes(summary.bytes)}: {sink.url} ({how}); to download it:",
        line,
    )


def _check_places(out: str, url: str) -> None:
    if not url.startswith(SCHEME):
        scheme, mark, _ = url.partition("://")
        message = f"{scheme if mark else url}{mark}: publish writes to s3://bucket/prefix"
        if not mark:
            message += f"; `texgen download {out} --out {url}` copies a data set to a folder"
        raise ConfigError(message)
    if out.startswith(SCHEME) and parse(out).overlaps(parse(url)):
        message = f"{out} and {url}: neither may lie inside the other; name another prefix"
        raise ConfigError(message)


def _download_line(url: str, endpoint: str | None) -> str:
    """What others type."""
    # The environment's may hold a password, which is nobody else's business.
    endpoint = None if endpoint and "@" in endpoint else endpoint
    line = ["texgen", "download", url, *(["--s3-endpoint", endpoint] if endpoint else [])]
    return shlex.join([*line, "--out", "shards/"])
