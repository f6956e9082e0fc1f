"""`texgen inspect`."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from PIL import Image

from texgen.cli.options.common import out_argument, place_option, result_options
from texgen.cli.output import check_target, print_result, write_file
from texgen.core.config import DEFAULT_ENGINE, PATCH_SIZE, SMALL_PATCH_SIZE
from texgen.core.errors import ConfigError, DatasetError
from texgen.core.text import format_bytes, pluralize
from texgen.dataset.index import Index
from texgen.dataset.manifest import ManifestRow
from texgen.dataset.originals import OriginalImages, open_originals
from texgen.dataset.reader import Dataset
from texgen.report.contact_sheet import SheetTexture, draw_sheet
from texgen.source import SourceSpec
from texgen.source.locator import locator_of
from texgen.storage import Sink

_SHEET_TEXTURES = 6
_COLUMNS = ("images", "textures", "failed", "shards", "bytes", "classes")


@click.command(name="inspect")
@out_argument
@click.argument("key", required=False, metavar="[KEY]")
@click.option(
    "--split", help="Split in which KEY is looked up.  [default: the first split that has KEY]"
)
@place_option("--src", "SRC", "Images that OUT was built from, as for texgen build.")
@place_option(
    "--sheet",
    "F.png",
    "File of a contact sheet to draw: textures spread over OUT, or that of KEY; with --src beside "
    "their images.",
    utf8=False,
)
@click.option(
    "--count",
    type=click.IntRange(1, 200),
    help=f"Number of textures on the sheet.  [default: {_SHEET_TEXTURES}]",
)
@result_options
def command(
    out: str,
    key: str | None,
    split: str | None,
    src: str | None,
    sheet: str | None,
    count: int | None,
    s3_endpoint: str | None,
    as_json: bool,
) -> None:
    """Show the card and the counts of OUT, or one texture.

    With KEY, the row of that texture is shown, and Python code that makes the texture again.
    """
    _check_options(key, split, src, sheet, count)
    if sheet is not None:
        check_target("--sheet", Path(sheet), [".png"], {"OUT": out, "--src": src})
    dataset = Dataset(Sink(out, s3_endpoint=s3_endpoint))
    homes: list[tuple[str, ManifestRow]] = []
    if key is not None:
        # For a missing key `row` raises an error that names similar keys.
        homes = list(dataset.rows_of_key(key, split)) or [dataset.row(key, split)]
    if sheet is not None:
        rows = [row for _, row in homes[:1] or dataset.sample_textures(count or _SHEET_TEXTURES)]
        write_file(Path(sheet), _sheet(dataset, rows, src, s3_endpoint))
    if homes:
        result = _sample(dataset, homes, src, s3_endpoint)
        lines = [*_sample_lines(result)]
    else:
        result = _card(dataset.index)
        lines = [*_card_lines(out, result)]
    if sheet is not None:
        lines.append(f"sheet: {sheet}")
    print_result({"out": out, **result, "sheet": sheet}, lines, as_json=as_json)


def _check_options(
    key: str | None, split: str | None, src: str | None, sheet: str | None, count: int | None
) -> None:
    """Refuses options that would have no effect."""
    if split is not None and key is None:
        raise ConfigError("--split goes with KEY; add one, or leave it out")
    if src is not None and key is None and sheet is None:
        raise ConfigError("--src goes with KEY or --sheet; add one, or leave it out")
    if count is not None and sheet is None:
        raise ConfigError("--count goes with --sheet; add it, or leave --count out")
    if count is not None and key is not None:
        raise ConfigError("--count does not go with KEY, which is one texture; leave one out")


def _sheet(
    dataset: Dataset, rows: list[ManifestRow], src: str | None, s3_endpoint: str | None
) -> bytes:
    """Returns the contact sheet as a PNG file."""
    if not rows:
        raise DatasetError("OUT has no texture to draw: all of its rows are failed rows")
    config = dataset.index.config
    splits = dataset.index.splits
    originals = open_originals(src, config, s3_endpoint, splits) if src is not None else None
    out = io.BytesIO()
    draw_sheet([_sheet_texture(dataset, row, originals) for row in rows]).save(out, "PNG")
    return out.getvalue()


def _sheet_texture(
    dataset: Dataset, row: ManifestRow, originals: OriginalImages | None
) -> SheetTexture:
    with Image.open(io.BytesIO(dataset.image(row))) as image:
        texture = image.convert("RGB")
    return SheetTexture(row["key"], texture, None if originals is None else originals.read(row))


def _card(index: Index) -> dict[str, Any]:
    """Returns the data set's card with counts instead of lists of files."""
    splits = {
        name: {
            "images": split.images,
            "textures": split.textures,
            "failed": split.failed,
            "shards": len(split.shards),
            "bytes": sum(file.bytes for file in split.shards),
            "classes": len(split.classes),
        }
        for name, split in sorted(index.splits.items())
    }
    return {
        "name": index.name,
        "fingerprint": index.fingerprint,
        "config": index.config,
        "splits": splits,
    }


def _card_lines(out: str, card: dict[str, Any]) -> Iterator[str]:
    splits, config = card["splits"], card["config"]
    total = {name: sum(counts[name] for counts in splits.values()) for name in _COLUMNS}
    yield (
        f"{card['name']}: {pluralize(total['textures'], 'texture')} of "
        f"{pluralize(total['images'], 'image')} in {pluralize(total['shards'], 'shard')}, "
        f"{total['failed']} failed, {format_bytes(total['bytes'])}: {out}"
    )
    encoder = config.get("encoder")
    quality = f" quality {config['quality']}" if config.get("quality") else ""
    parameters = config.get("engine_parameters") or {}
    about = {
        "fingerprint": card["fingerprint"],
        "engine": f"{config['engine']} {config['engine_version']}"
        + "".join(f", {name} {_number(value)}" for name, value in sorted(parameters.items())),
        "textures": f"{config.get('size')} px, {config['format']}{quality} ({encoder}), "
        f"{config['textures_per_image']} an image, seed {config['seed']}",
        "patches": f"{config['patch_size']} px, {config['small_patch_size']} px of small images",
    }
    yield from (f"  {name:<12} {value}" for name, value in about.items())
    table: list[tuple[str, ...]] = [("split", *_COLUMNS)]
    table += [(name, *(f"{v:,}" for v in counts.values())) for name, counts in splits.items()]
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    for line in table:
        cells = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        yield f"  {line[0]:<{widths[0]}}  {'  '.join(cells)}"


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _sample(
    dataset: Dataset, homes: list[tuple[str, ManifestRow]], src: str | None, s3_endpoint: str | None
) -> dict[str, Any]:
    """Returns the texture in the first split that has its key, and the names of the others."""
    (split, row), *others = homes
    code = None
    if row["status"] == "ok":
        decoding = _decoding_code(row, dataset.index, src, s3_endpoint)
        code = _texture_code(row, dataset.index.config, decoding)
    also_in = [name for name, _ in others]
    return {"split": split, "also_in": also_in, "row": row, "python": code}


def _sample_lines(sample: dict[str, Any]) -> Iterator[str]:
    row = sample["row"]
    yield f"{row['key']}: {sample['split']}"
    for name in sample["also_in"]:
        yield f"  note: {name} has this key too; --split {name} shows it"
    width = max(map(len, row))
    for name, value in row.items():
        if name != "key" and value is not None:
            yield f"  {name:<{width}}  {value}"
    if sample["python"]:
        yield "Python code that makes the patches and the texture again:"
        yield from (f"  {line}" for line in sample["python"].splitlines())


def _decoding_code(
    row: ManifestRow, index: Index, src: str | None, s3_endpoint: str | None
) -> list[str]:
    """Returns lines of Python code that decode a row's image."""
    # An image in an archive has no file of its own.
    if "!" not in row["source"] and (src is None or "://" not in src):
        path = Path(src or "SRC", os.fsdecode(locator_of(row["source"])))
        return [
            "from pathlib import Path",
            "from texgen.core.decode import decode",
            f"image = decode(Path({str(path)!r}).read_bytes())",
        ]
    spec = SourceSpec.from_card("", index.config, s3_endpoint, index.splits)
    options = {"selected": spec.selected, **spec.non_default_options, "endpoint": spec.endpoint}
    arguments = "".join(f", {name}={value!r}" for name, value in options.items() if value)
    return [
        "from texgen.core.decode import decode",
        "from texgen.source import SourceSpec, open_source",
        f"source = open_source(SourceSpec({src or 'SRC'!r}{arguments}))",
        f"image = decode(source.read(source.find({row['key']!r}, {row['source']!r})))",
    ]


def _texture_code(row: ManifestRow, config: dict[str, Any], decoding: list[str]) -> str:
    """Returns Python code that makes a row's patches and texture again."""
    seed = f"seed={row['seed']}"
    sizes = {"patch_size": PATCH_SIZE, "small_patch_size": SMALL_PATCH_SIZE}
    patch_arguments = [f"{name}={config[name]}" for name in sizes if config[name] != sizes[name]]
    arguments = [f"size={config.get('size')}", seed]
    if config["engine"] != DEFAULT_ENGINE:
        arguments.append(f"engine={config['engine']!r}")
    lines = [
        "import texgen",
        *decoding,
        f"patches = texgen.sample_patches(image, {', '.join([seed, *patch_arguments])})",
        f"texture = texgen.synthesize([patches.center, patches.random], {', '.join(arguments)})",
    ]
    if config["format"] == "jpg":
        lines.append("# The texture in the shard differs slightly, since jpg is lossy.")
    return "\n".join(lines)
