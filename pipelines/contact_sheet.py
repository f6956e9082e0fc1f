"""Draws photographs, their two patches and the textures made of them, one row each.

python pipelines/contact_sheet.py OUT SRC sheet.png [--rows 6 | --key KEY ...]
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image, ImageDraw

HEIGHT = 224
GAP = 8
FRAMES = {"center": "#ffd400", "random": "#00c8ff"}


def main() -> None:
    """Reads the command line and writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("src", type=Path)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--rows", type=int, default=6, help="spread over all textures")
    parser.add_argument("--key", action="append", default=[], help="these textures instead")
    arguments = parser.parse_args()
    rows = [row for row in textures(arguments.out) if row["status"] == "ok"]
    if arguments.key:
        chosen = [row for row in rows if row["key"] in arguments.key]
    else:
        chosen = rows[:: max(1, len(rows) // arguments.rows)][: arguments.rows]
    strips = [strip(row, arguments.out, arguments.src) for row in chosen]
    sheet(strips).save(arguments.sheet)


def textures(out: Path) -> Iterator[dict[str, Any]]:
    """The manifest's rows."""
    for path in sorted(out.glob("manifest/*.parquet")):
        yield from pq.read_table(path).to_pylist()


def strip(row: dict[str, Any], out: Path, src: Path) -> list[Image.Image]:
    """Photograph with the patches' frames, both patches above each other, texture."""
    photograph = Image.open(src / row["source"]).convert("RGB")
    side = row["patch_size"]
    framed = photograph.copy()
    patches = []
    for which, colour in FRAMES.items():
        x, y = row[f"{which}_x"], row[f"{which}_y"]
        ImageDraw.Draw(framed).rectangle(
            (x, y, x + side - 1, y + side - 1), outline=colour, width=4
        )
        patches.append(photograph.crop((x, y, x + side, y + side)))
    with (out / row["shard"]).open("rb") as shard:
        shard.seek(row["offset"])
        texture = Image.open(io.BytesIO(shard.read(row["length"])))
    width = round(framed.width * HEIGHT / framed.height)
    return [framed.resize((width, HEIGHT)), stack(patches), texture.convert("RGB")]


def stack(patches: list[Image.Image]) -> Image.Image:
    """Both patches above each other, at their own size."""
    width, height = patches[0].size
    both = Image.new("RGB", (width, 2 * height + GAP), "white")
    both.paste(patches[0], (0, 0))
    both.paste(patches[1], (0, height + GAP))
    return both


def sheet(strips: list[list[Image.Image]]) -> Image.Image:
    """All strips below each other, their columns aligned."""
    widths = [max(strip[i].width for strip in strips) for i in range(3)]
    lefts = [GAP + sum(widths[:i]) + GAP * i for i in range(3)]
    page = Image.new(
        "RGB", (lefts[-1] + widths[-1] + GAP, (HEIGHT + GAP) * len(strips) + GAP), "white"
    )
    for row, images in enumerate(strips):
        for left, image in zip(lefts, images, strict=True):
            page.paste(image, (left, GAP + row * (HEIGHT + GAP)))
    return page


if __name__ == "__main__":
    main()
