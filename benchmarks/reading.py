"""Measures how fast textures are read, beside the simplest ways to do the same.

    python benchmarks/reading.py OUT [--repeat 5] [--rows 1331167]

The finished data set OUT has all its files in the page cache, and the ways take turns: textures at
random from `texgen.TextureStore`, undecoded, by key and by position; the same textures as single
files (`texgen export`), opened and read; all of them in order by plain `webdataset`. Then a store
opens the manifest of an artificial split of ``--rows`` textures, in a process of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import webdataset

from texgen.core.layout import manifest_path, shard_path
from texgen.dataset.index import Index, ManifestFile, ShardFile, SplitIndex, encode_index
from texgen.dataset.manifest import MANIFEST_SCHEMA, write_manifest
from texgen.dataset.random_access import TextureStore

ROWS_A_SHARD = 512


def main() -> None:
    """Reads the command line and prints the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_331_167)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rates(arguments.out, Path(folder) / "loose", arguments.repeat)
        opening(Path(folder) / "large", arguments.rows, arguments.repeat)


def rates(out: Path, loose: Path, repeat: int) -> None:
    """Undecoded textures a second."""
    subprocess.run([sys.executable, "-m", "texgen", "export", out, "--to", loose, "--quiet"],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    store = TextureStore(out)
    image_format = json.loads((out / "index.json").read_text())["config"]["format"]
    order = random.Random(0).sample(range(len(store)), len(store))
    keys = [store.key(position) for position in order]
    files = [loose / "train" / f"{key}.{image_format}" for key in keys]
    shards = [str(path) for path in sorted((out / "train").glob("*.tar"))]
    ways: dict[str, Callable[[], int]] = {
        "TextureStore by key": lambda: sum(len(store.read(key)) for key in keys),
        "TextureStore by position": lambda: sum(len(store.read(place)) for place in order),
        "loose files, opened and read": lambda: sum(len(opened(path)) for path in files),
        "webdataset, in order": lambda: sum(
            len(sample[image_format])
            for sample in webdataset.WebDataset(shards, shardshuffle=False)
        ),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeat + 1):
        sizes = set()
        for name, way in ways.items():
            started = time.perf_counter()
            sizes.add(way())
            # The first turn brings everything into the page cache.
            spent[name] += [time.perf_counter() - started] if turn else []
        assert len(sizes) == 1
    for name, seconds in spent.items():
        per_second = sorted(len(keys) / s for s in seconds)
        middle = statistics.median(per_second)
        print(f"{name}: {middle:,.0f} textures/s ({per_second[0]:,.0f} to {per_second[-1]:,.0f})")


def opened(path: Path) -> bytes:
    """Reads the bytes of a file."""
    with open(path, "rb") as file:  # noqa: PTH123 - without a Path's own cost
        return file.read()


def opening(out: Path, rows: int, repeat: int) -> None:
    """Time and memory to open a large manifest."""
    make_up(out, rows)
    script = (
        "import sys, time; started = time.perf_counter(); from texgen.dataset.random_access import "
        "TextureStore; imported = time.perf_counter(); store = TextureStore(sys.argv[1]); "
        "done = time.perf_counter(); assert store.key(0) in store; "
        # Not getrusage's, which begins with what this program had when it forked.
        "peak = next(l for l in open('/proc/self/status') if l.startswith('VmHWM')).split()[1]; "
        "print(len(store), imported - started, done - imported, int(peak) * 1.024e-3)"
    )
    runs = []
    for _ in range(repeat):
        line = [sys.executable, "-c", script, str(out)]
        said = subprocess.run(line, check=True, capture_output=True, text=True).stdout.split()
        runs.append([float(word) for word in said])
    imports, opens, peaks = ([run[i] for run in runs] for i in (1, 2, 3))
    print(
        f"a manifest of {rows:,} rows opened in {statistics.median(opens):.2f} s "
        f"({min(opens):.2f} to {max(opens):.2f}) after {statistics.median(imports):.2f} s of "
        f"imports, peak {max(peaks):.0f} MB"
    )


def make_up(out: Path, rows: int) -> None:
    """Creates a data set with a manifest of ``rows`` rows, and no shard."""
    (out / "manifest").mkdir(parents=True)
    manifests = []
    tables = (
        table(first, min(rows, first + ROWS_A_SHARD)) for first in range(0, rows, ROWS_A_SHARD)
    )
    for number, (path, count) in enumerate(write_manifest(tables, out / "manifest", "train")):
        data = path.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        manifests.append(ManifestFile(manifest_path("train", number), len(data), sha256, count))
    count = -(-rows // ROWS_A_SHARD)
    shards = [ShardFile(shard_path("train", n), 1, "0" * 64, ROWS_A_SHARD) for n in range(count)]
    split = SplitIndex(rows, rows, 0, [], manifests, shards)
    config = {"engine": "fast", "engine_version": "1", "format": "png", "patch_size": 96,
              "seed": 0, "small_patch_size": 48, "textures_per_image": 1}  # fmt: skip
    index = Index("made-up", "0" * 64, config, {"train": split})
    (out / "index.json").write_bytes(encode_index(index))


def table(first: int, end: int) -> pa.Table:
    """Creates rows as a shard of ImageNet has them."""
    rows = []
    for number in range(first, end):
        name = f"n{1440764 + number // 1300:08d}"
        key = f"{name}/{name}_{number:07d}"
        rows.append({
            "key": key, "source": f"train/{key}.JPEG", "label": number // 1300, "class": name,
            "width": 500, "height": 375, "patch_size": 96, "center_x": 202, "center_y": 139,
            "random_x": number % 400, "random_y": number % 270, "texture_index": 0,
            "seed": number * 6_700_417 % 2**53, "status": "ok",
            "shard": shard_path("train", number // ROWS_A_SHARD), "offset": number * 4096,
            "length": 45_000, "sha256": hashlib.sha256(key.encode()).hexdigest(),
        })  # fmt: skip
    return pa.Table.from_pylist(rows, schema=MANIFEST_SCHEMA)


if __name__ == "__main__":
    main()
