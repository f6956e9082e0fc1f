"""`texgen inspect`."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from PIL import Image

from texgen.cli.options.common import Place, s3_endpoint_option
from texgen.cli.output import print_json, print_result
from texgen.cli.output_files import check_target, write_file
from texgen.core.config import DEFAULT_ENGINE
from texgen.core.errors import ConfigError, DatasetError
from texgen.core.text import format_bytes, pluralize
from texgen.dataset.index import Index, SplitIndex
from texgen.dataset.manifest import ManifestRow
from texgen.dataset.originals import OriginalImages, open_originals
from texgen.dataset.reader import Dataset
from texgen.report.contact_sheet import Example, SheetTexture, draw_sheet
from texgen.source import SourceSpec
from texgen.source.locator import locator_of
from texgen.storage import open_sink
from texgen.synthesis.patches import PATCH_SIZE, SMALL_PATCH_SIZE

_COUNT = 6
_COLUMNS = ("images", "textures", "failed", "shards", "bytes", "classes")


@click.command(name="inspect", short_help="card, counts, one sample's provenance")
@click.argument("out", type=Place(), metavar="OUT")
@click.argument("key", required=False, metavar="[KEY]")
@click.option("--split", help="Where KEY is looked for.  [default: the first that has it]")
@click.option("--src", type=Place(), metavar="SRC", help="Photographs of the build, as build.")
@click.option(
    "--sheet",
    type=Place(utf8=False),
    metavar="F.png",
    help="Draw textures spread over OUT, or KEY's; with --src beside their photographs.",
)
@click.option(
    "--count", type=click.IntRange(1, 200), help=f"Textures on the sheet.  [default: {_COUNT}]"
)
@s3_endpoint_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
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
    """Show what OUT is and holds; with KEY where one texture is from and how to make it again."""
    _check_options(key, split, src, sheet, count)
    if sheet is not None:
        check_target("--sheet", Path(sheet), [".png"], {"OUT": out, "--src": src})
    dataset = Dataset(open_sink(out, s3_endpoint=s3_endpoint))
    homes = [] if key is None else _homes(dataset, key, split)
    if sheet is not None:
        rows = [row for _, row in homes[:1] or dataset.spread(count or _COUNT)]
        write_file(Path(sheet), _sheet(dataset, rows, src, s3_endpoint))
    result = _sample(dataset, homes, src, s3_endpoint) if homes else _card(dataset.index)
    if as_json:
        print_json(json.dumps({"out": out, **result, "sheet": sheet}))
    else:
        lines = _sample_text(result) if homes else _card_text(out, result)
        print_result(*lines, *([f"sheet: {sheet}"] if sheet else []))


def _check_options(
    key: str | None, split: str | None, src: str | None, sheet: str | None, count: int | None
) -> None:
    """Refuses options that would do nothing."""
    faults = {
        "--split goes with KEY; add one, or leave it out": split is not None and key is None,
        "--src goes with KEY or --sheet; add one, or leave it out": (
            src is not None and key is None and sheet is None
        ),
        "--count goes with --sheet; add it, or leave --count out": count is not None
        and sheet is None,
        "--count does not go with KEY, which is one texture; leave one out": count is not None
        and key is not None,
    }
    for message, wrong in faults.items():
        if wrong:
            raise ConfigError(message)


def _homes(dataset: Dataset, key: str, split: str | None) -> list[tuple[str, ManifestRow]]:
    # `row` is what says which keys are near one that is not there.
    return list(dataset.homes(key, split)) or [dataset.row(key, split)]


def _sheet(
    dataset: Dataset, rows: list[ManifestRow], src: str | None, s3_endpoint: str | None
) -> bytes:
    """The contact sheet as a PNG file."""
    if not rows:
        message = "there is no texture to draw: every row of OUT is a failed one"
        raise DatasetError(message)
    config = dataset.index.config
    splits = dataset.index.splits
    photographs = open_originals(src, config, s3_endpoint, splits) if src is not None else None
    out = io.BytesIO()
    draw_sheet([_picture(dataset, row, photographs) for row in rows]).save(out, "PNG")
    return out.getvalue()


def _picture(
    dataset: Dataset, row: ManifestRow, photographs: OriginalImages | None
) -> SheetTexture:
    with Image.open(io.BytesIO(dataset.image(row))) as image:
        texture = image.convert("RGB")
    if photographs is None:
        return SheetTexture(row["key"], texture)
    image, cut = photographs.read(row)
    return SheetTexture(row["key"], texture, Example(image, cut.center, cut.random, cut.boxes))


def _card(index: Index) -> dict[str, Any]:
    """The data set's card with counts in place of lists of files."""
    splits = {name: _counts(split) for name, split in sorted(index.splits.items())}
    return {
        "name": index.name,
        "fingerprint": index.fingerprint,
        "config": index.config,
        "splits": splits,
    }


def _counts(split: SplitIndex) -> dict[str, int]:
    return {
        "images": split.images,
        "textures": split.textures,
        "failed": split.failed,
        "shards": len(split.shards),
        "bytes": sum(file.bytes for file in split.shards),
        "classes": len(split.classes),
    }


def _card_text(out: str, card: dict[str, Any]) -> Iterator[str]:
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
    """A texture's provenance; of the first split that has its key, with the names of the others."""
    (split, row), *others = homes
    photograph = _photograph(row, dataset.index, src, s3_endpoint)
    again = _again(row, dataset.index.config, photograph) if row["status"] == "ok" else None
    also = [name for name, _ in others]
    return {"split": split, "also_in": also, "row": row, "python": again}


def _sample_text(sample: dict[str, Any]) -> Iterator[str]:
    row = sample["row"]
    yield f"{row['key']}: {sample['split']}"
    for name in sample["also_in"]:
        yield f"  note: {name} has that key too; --split {name} shows it"
    width = max(map(len, row))
    for name, value in row.items():
        if name != "key" and value is not None:
            yield f"  {name:<{width}}  {value}"
    if sample["python"]:
        yield "Patches and texture again:"
        yield from (f"  {line}" for line in sample["python"].splitlines())


def _photograph(
    row: ManifestRow, index: Index, src: str | None, s3_endpoint: str | None
) -> list[str]:
    """Python that decodes a row's photograph."""
    # A photograph in an archive is no file of its own.
    if "!" not in row["source"] and (src is None or "://" not in src):
        place = Path(src or "SRC", os.fsdecode(locator_of(row["source"])))
        return [
            "from pathlib import Path",
            "from texgen.source.decode import decode",
            f"image = decode(Path({str(place)!r}).read_bytes())",
        ]
    spec = SourceSpec.of_card("", index.config, s3_endpoint, index.splits)
    given = {"selected": spec.selected, **spec.choices, "endpoint": spec.endpoint}
    at = "".join(f", {name}={value!r}" for name, value in given.items() if value)
    return [
        "from texgen.source.decode import decode",
        "from texgen.source import SourceSpec, open_source",
        f"source = open_source(SourceSpec({src or 'SRC'!r}{at}))",
        f"image = decode(source.read(source.find({row['key']!r}, {row['source']!r})))",
    ]


def _again(row: ManifestRow, config: dict[str, Any], photograph: list[str]) -> str:
    """Python that makes a row's patches and texture again."""
    seed = f"seed={row['seed']}"
    sizes = {"patch_size": PATCH_SIZE, "small_patch_size": SMALL_PATCH_SIZE}
    cut = [f"{name}={config[name]}" for name in sizes if config[name] != sizes[name]]
    made = [f"size={config.get('size')}", seed]
    if config["engine"] != DEFAULT_ENGINE:
        made.append(f"engine={config['engine']!r}")
    lines = [
        "import texgen",
        *photograph,
        f"patches = texgen.sample_patches(image, {', '.join([seed, *cut])})",
        f"texture = texgen.synthesize([patches.center, patches.random], {', '.join(made)})",
    ]
    if config["format"] == "jpg":
        lines.append("# The texture in the shard has lost some in encoding as jpg.")
    return "\n".join(lines)
