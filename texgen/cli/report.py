"""`texgen report`."""

from __future__ import annotations

from pathlib import Path

import click

from texgen.cli.options.common import html_option, out_argument, place_option, result_options
from texgen.cli.output import check_target, print_result, write_file
from texgen.core.text import format_bytes
from texgen.dataset.originals import open_originals
from texgen.dataset.reader import Dataset
from texgen.report import render_report, take_samples
from texgen.storage import Sink


@click.command(name="report")
@out_argument
@html_option
@place_option(
    "--src", "SRC", "Images that OUT was built from; the page then shows and compares them too."
)
@click.option(
    "--count",
    type=click.IntRange(1, 500),
    default=24,
    help="Number of textures on the page.",
)
@result_options
def command(
    out: str, html: str, src: str | None, count: int, s3_endpoint: str | None, as_json: bool
) -> None:
    """Write one HTML page about OUT: counts, failures, images and plots.

    The page needs no other files and no network.
    """
    target = Path(html)
    check_target("--html", target, [".html", ".htm"], {"OUT": out, "--src": src})
    dataset = Dataset(Sink(out, s3_endpoint=s3_endpoint))
    config = dataset.index.config
    splits = dataset.index.splits
    originals = open_originals(src, config, s3_endpoint, splits) if src is not None else None
    samples = take_samples(dataset, originals, count)
    page = render_report(dataset, samples, with_images=src is not None).encode()
    write_file(target, page)
    shown, missing = len(samples.shown), len(samples.missing)
    data = {"out": out, "html": html, "bytes": len(page), "shown": shown, "missing": missing}
    note = f", {missing} images could not be read" if missing else ""
    line = f"{html}: {format_bytes(len(page))}, {shown} textures shown{note}"
    print_result(data, [line], as_json=as_json)
