"""Measures listing and reading archives of ImageNet's size, source by source.

The benchmark makes as many small files as ImageNet has images, in 1,000 classes: ILSVRC's tar of
class tars, then WebDataset shards and Parquet files in a random order. It lists each source twice,
in a new process each time: first without cached indexes of the tars, then with them. Finally it
reads images of 110 kB at random.

    python benchmarks/archives.py [--images 1281000] [--folder F]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from texgen.source import SourceSpec, open_source

CLASSES = 1000
CONTENT = b"x" * 600
SHARDS = 100
READ = 300
READ_BYTES = 110_000


def main() -> None:
    """Reads the command line and prints a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1_281_000)
    parser.add_argument("--folder", type=Path, help="folder for the temporary archives")
    parser.add_argument("--list", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.list:
        list_source(arguments.list)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        root = Path(folder)
        os.environ["XDG_CACHE_HOME"] = str(root / "cache")
        names = [(c, n) for c in range(CLASSES) for n in range(arguments.images // CLASSES)]
        write_ilsvrc(root / "ilsvrc", len(names) // CLASSES)
        random.Random(0).shuffle(names)
        write_webdataset(root / "webdataset", names)
        write_parquet(root / "parquet", names, CONTENT)
        for source in ("ilsvrc", "webdataset", "parquet"):
            for _ in range(2):
                subprocess.run([sys.executable, __file__, "--list", root / source], check=True)
        write_parquet(root / "read", names[: 10 * READ], os.urandom(READ_BYTES))
        read_source(root / "read")


def list_source(location: Path) -> None:
    """Lists a source as ``texgen plan`` does, and prints what it took."""
    started = time.monotonic()
    source = open_source(SourceSpec(str(location)))
    count = sum(1 for split in source.splits() for _ in source.entries(split))
    wall_s = time.monotonic() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    core_s = time.process_time()
    print(
        f"{location.name}: {count} images, {wall_s:.1f} s, {core_s:.1f} core-s, "
        f"peak {peak_mb:.0f} MB",
        flush=True,
    )


def read_source(location: Path) -> None:
    """Reads images at random from row groups of a hundred."""
    source = open_source(SourceSpec(str(location)))
    entries = [e for split in source.splits() for e in source.entries(split)]
    started, core_s = time.monotonic(), time.process_time()
    for entry in random.Random(1).sample(entries, READ):
        source.read(entry)
    wall_ms = 1e3 * (time.monotonic() - started) / READ
    core_ms = 1e3 * (time.process_time() - core_s) / READ
    print(f"parquet: {wall_ms:.1f} ms, {core_ms:.1f} core-ms an image at random")


def write_ilsvrc(folder: Path, each: int) -> None:
    """Writes ``ILSVRC2012_img_train.tar``."""
    folder.mkdir()
    with (folder / "ILSVRC2012_img_train.tar").open("wb") as file:
        for number in range(CLASSES):
            class_tar = io.BytesIO()
            for index in range(each):
                add(class_tar, f"{wnid(number)}_{index}.JPEG", CONTENT)
            end(class_tar)
            add(file, f"{wnid(number)}.tar", class_tar.getvalue())
        end(file)


def write_webdataset(folder: Path, names: list[tuple[int, int]]) -> None:
    """Writes shards of images and labels."""
    folder.mkdir()
    for shard, part in enumerate(parts(names)):
        with (folder / f"train-{shard:06d}.tar").open("wb") as file:
            for number, index in part:
                key = f"{wnid(number)}/{wnid(number)}_{index}"
                add(file, f"{key}.jpg", CONTENT)
                add(file, f"{key}.cls", b"%d" % number)
            end(file)


def write_parquet(folder: Path, names: list[tuple[int, int]], content: bytes) -> None:
    """Writes files with row groups of a hundred, as Hugging Face's library does."""
    folder.mkdir()
    classes = [wnid(number) for number in range(CLASSES)]
    features = {"label": {"names": classes, "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for shard, part in enumerate(parts(names)):
        images = [{"bytes": content, "path": f"{wnid(c)}_{i}.JPEG"} for c, i in part]
        labels = [number for number, _ in part]
        table = pa.table({"image": pa.array(images, kind), "label": labels})
        path = folder / f"train-{shard:05d}.parquet"
        table = table.replace_schema_metadata(metadata)
        pq.write_table(table, path, row_group_size=100, use_dictionary=False)


def parts(names: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Class and number of the images of each shard."""
    size = -(-len(names) // SHARDS)
    return (names[first : first + size] for first in range(0, len(names), size))


def wnid(number: int) -> str:
    """Name of a class."""
    return f"n{1440764 + number:08d}"


def add(file: IO[bytes], name: str, data: bytes) -> None:
    """Adds a member to a tar."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    file.write(info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512))


def end(file: IO[bytes]) -> None:
    """Ends a tar."""
    file.write(bytes(1024))


if __name__ == "__main__":
    main()
