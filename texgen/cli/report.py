"""`texgen report`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from texgen.cli.options.common import Place, s3_endpoint_option
from texgen.cli.output import print_json, print_result
from texgen.cli.output_files import check_target, write_file
from texgen.core.text import format_bytes
from texgen.dataset.originals import open_originals
from texgen.dataset.reader import Dataset
from texgen.report import gather, render
from texgen.storage import open_sink


@click.command(name="report", short_help="a self-contained page about OUT")
@click.argument("out", type=Place(), metavar="OUT")
@click.option(
    "--html", type=Place(utf8=False), required=True, metavar="F.html", help="The page to write."
)
@click.option(
    "--src",
    type=Place(),
    metavar="SRC",
    help="Photographs of the build: shows and compares them too.",
)
@click.option(
    "--count",
    type=click.IntRange(1, 500),
    default=24,
    show_default=True,
    help="Textures that are shown.",
)
@s3_endpoint_option
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(
    out: str, html: str, src: str | None, count: int, s3_endpoint: str | None, as_json: bool
) -> None:
    """Write one HTML page about OUT that needs no network: counts, failures, pictures, plots."""
    target = Path(html)
    check_target("--html", target, [".html", ".htm"], {"OUT": out, "--src": src})
    dataset = Dataset(open_sink(out, s3_endpoint=s3_endpoint))
    config = dataset.index.config
    splits = dataset.index.splits
    photographs = open_originals(src, config, s3_endpoint, splits) if src is not None else None
    figures = gather(dataset, photographs, count)
    page = render(figures).encode()
    write_file(target, page)
    shown, missing = len(figures.samples.shown), len(figures.samples.missing)
    if as_json:
        about = {"out": out, "html": html, "bytes": len(page), "shown": shown, "missing": missing}
        print_json(json.dumps(about))
    else:
        note = f", {missing} photographs could not be read" if missing else ""
        print_result(f"{html}: {format_bytes(len(page))}, {shown} textures shown{note}")
