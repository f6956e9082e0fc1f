"""Randomly damaged images: each gives a row, and every executor makes the same bytes."""

from __future__ import annotations

import io
import random
import re
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.conftest import MINI, Texgen, synthetic_image, tree
from tests.faults.table import FaultTable

pytestmark = pytest.mark.usefixtures("no_orphans")

OPTIONS = ("--engine", "stub", "--size", 32, "--samples-per-shard", 40, "--max-failures", "100%")

Damage = Callable[[random.Random, bytearray], None]


def flip_bits(rng: random.Random, data: bytearray) -> None:
    for _ in range(rng.choice((1, 4, 40))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def change_bytes(rng: random.Random, data: bytearray) -> None:
    for _ in range(rng.choice((1, 8, 80))):
        data[rng.randrange(len(data))] = rng.randrange(256)


def change_head(rng: random.Random, data: bytearray) -> None:
    for _ in range(rng.choice((1, 2, 5))):
        data[rng.randrange(min(700, len(data)))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))


def cut(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


def cut_out(rng: random.Random, data: bytearray) -> None:
    begin = rng.randrange(len(data))
    del data[begin : begin + rng.choice((1, 7, 500))]


def insert(rng: random.Random, data: bytearray) -> None:
    place = rng.randrange(len(data))
    data[place:place] = rng.randbytes(rng.choice((1, 7, 500)))


def zero(rng: random.Random, data: bytearray) -> None:
    begin = rng.randrange(len(data))
    run = min(rng.choice((4, 64, 4096)), len(data) - begin)
    data[begin : begin + run] = bytes(run)


def segments(data: bytes) -> list[tuple[int, int]]:
    """Begin and end of a JPEG's segments, or of a PNG's chunks, as far as they can be parsed."""
    found = []
    if data[:4] == b"\x89PNG":
        place = 8
        while place + 12 <= len(data):
            end = place + 12 + int.from_bytes(data[place : place + 4], "big")
            found.append((place, min(end, len(data))))
            place = end
        return found
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        found.append((place, min(end, len(data))))
        place = end
    return found


def swap_segments(rng: random.Random, data: bytearray) -> None:
    found = segments(data)
    if len(found) < 2:
        flip_bits(rng, data)
        return
    (a, b), (c, d) = sorted(rng.sample(found, 2))
    data[a:d] = data[c:d] + data[b:c] + data[a:b]


def repeat_segment(rng: random.Random, data: bytearray) -> None:
    a, b = rng.choice(segments(data) or [(0, len(data))])
    data[b:b] = data[a:b] * rng.choice((1, 3))


def wrong_length(rng: random.Random, data: bytearray) -> None:
    found = segments(data)
    if not found:
        cut(rng, data)
        return
    place = rng.choice(found)[0]
    at, width = (place, 4) if data[:4] == b"\x89PNG" else (place + 2, 2)
    length = rng.choice((0, 1, 2, 0x7FFF, 256**width - 1, rng.randrange(256**width)))
    data[at : at + width] = length.to_bytes(width, "big")


def other_size(rng: random.Random, data: bytearray) -> None:
    """Writes another width and height, with a correct checksum where the format has one."""
    sides = [rng.choice((0, 1, 2, 3, 97, 5000, 0xFFFF)) for _ in range(2)]
    if data[:4] == b"\x89PNG":
        data[16:24] = b"".join(side.to_bytes(4, "big") for side in sides)
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
        return
    frames = [a for a, _ in segments(data) if data[a + 1] in range(0xC0, 0xC3)]
    for a in frames:
        data[a + 5 : a + 9] = b"".join(side.to_bytes(2, "big") for side in sides)


DAMAGES: list[Damage] = [
    flip_bits,
    change_bytes,
    change_head,
    cut,
    cut_out,
    insert,
    zero,
    swap_segments,
    repeat_segment,
    wrong_length,
    other_size,
]


def originals() -> list[Image.Image]:
    """Images of ImageNet, or of a library where those are not available."""
    if MINI.is_dir():
        paths = sorted(MINI.rglob("*.JPEG"))[::12]
    else:
        data = pytest.importorskip("skimage.data")
        paths = [Path(path) for path in sorted(Path(data.__file__).parent.glob("*.[jp][pn]g"))]
    found = []
    for path in paths:
        with Image.open(path) as image:
            found.append(image.convert("RGB").resize((160, 150)))
    return found or [synthetic_image(seed) for seed in range(8)]


def encodings(image: Image.Image) -> list[tuple[str, bytes]]:
    """An image as files of several formats."""
    found = []
    ways: list[tuple[str, dict[str, object]]] = [
        ("JPEG", {"quality": 90}),
        ("JPEG", {"quality": 75, "progressive": True, "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}),
        ("JPEG", {"quality": 85, "subsampling": 0, "restart_marker_rows": 2, "comment": b"x" * 99}),
        ("PNG", {}),
    ]
    for kind, options in ways:
        file = io.BytesIO()
        image.save(file, kind, **options)
        found.append((kind, file.getvalue()))
    file = io.BytesIO()
    image.quantize(200).save(file, "PNG", bits=8)
    return [*found, ("PNG", file.getvalue())]


def damage_many(folder: Path, number: int) -> None:
    """Makes ``number`` damaged files, the same ones each time."""
    rng = random.Random(20_211_124)
    images = originals()
    folder.mkdir(parents=True)
    for index in range(number):
        kind, whole = rng.choice(encodings(images[index % len(images)]))
        data = bytearray(whole)
        for damage in rng.choices(DAMAGES, k=rng.choice((1, 1, 1, 2, 4))):
            if data:
                damage(rng, data)
        # A file may have the extension of another format.
        suffix = rng.choice([kind, kind, kind, "PNG", "JPEG"])
        (folder / f"{index:04d}.{suffix}").write_bytes(data)


def check(
    number: int, tmp_path: Path, texgen: Texgen, runners: dict[str, tuple[object, ...]]
) -> Counter[str]:
    """Builds from damaged files with each executor; counts the results of the rows."""
    source = tmp_path / "train"
    damage_many(source / "damaged", number)
    outs = {}
    for name, options in runners.items():
        out = tmp_path / name
        result = texgen("build", "--src", source, "--out", out, *OPTIONS, "--quiet", *options)
        assert result.returncode == 0, result.stderr
        log = (out / "_build" / "logs" / "build.log").read_text()
        # No process died, and no unexpected exception was raised.
        assert not re.search(r", attempt \d+: |: try \d failed|Traceback", log), log
        outs[name] = tree(out)
    first = next(iter(outs))
    assert all(files == outs[first] for files in outs.values())
    rows = pq.read_table(tmp_path / first / "manifest" / "train-00000.parquet").to_pylist()
    assert len(rows) == number
    assert texgen("verify", tmp_path / first).returncode == 0
    return Counter((row["error"] or "ok").split(":")[0] for row in rows)


@pytest.mark.faults
def test_damaged_images_are_a_row_each(tmp_path: Path, texgen: Texgen) -> None:
    runners = {"two": ("--no-ray", "--workers", 2), "one": ("--no-ray", "--workers", 1)}
    found = check(100, tmp_path, texgen, runners)
    assert found["ok"] > 10
    assert found["image_corrupt"] + found["image_unreadable"] > 10


@pytest.mark.slow
def test_a_thousand_damaged_images_are_a_row_each(
    tmp_path: Path, texgen: Texgen, table: FaultTable
) -> None:
    runners = {
        "two": ("--no-ray", "--workers", 2),
        "again": ("--no-ray", "--workers", 3, "--max-failures", 1000),
        "ray": ("--workers", 2),
    }
    found = check(1000, tmp_path, texgen, runners)
    ends = ", ".join(f"{count} {end}" for end, count in sorted(found.items()))
    table.add(
        "damaged photographs",
        "1,000 JPEGs and PNGs, by plain processes twice and by Ray",
        f"a row each ({ends}); no process ended; the same bytes",
        3,
    )
