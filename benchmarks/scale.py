"""Times the planning, resuming and finishing of a data set of ImageNet's size, or ten of it.

Creates empty files with as many names, in 1,000 classes as ImageNet names them, and artificial
records and shards (sparse files) for all shards but the last few. Then it runs, as a user would,
`texgen plan`, `texgen build` with the stub engine, which builds the rest, and the same again,
which finds nothing to do. Empty files serve as well as images, since only the images of the
remaining shards are opened.

    python benchmarks/scale.py [--images 1331200] [--left 1] [--folder F]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from watch import Run, watched

from texgen.build.plan import BuildRequest, load_or_create_plan
from texgen.core.config import DatasetConfig, RunOptions
from texgen.core.decode import DECODE_RULE, MAX_PIXELS
from texgen.core.layout import record_path, shard_path
from texgen.core.seeds import texture_seed
from texgen.core.types import Row, ShardPlan, ShardRecord, TextureFile, Timings
from texgen.dataset.plan import Plan, PlannedShards
from texgen.dataset.records import encode_record
from texgen.source import FolderSource, SourceSpec
from texgen.storage import Sink
from texgen.synthesis import EngineSpec, identify
from texgen.synthesis.patches import patch_geometry

CLASSES = 1000
ROWS = 512
NAME = "imagenet-texture"
TEXTURE_BYTES = 45_000
LINKS = 60_000
"""Number of names that share one empty file: disks run out of inodes first."""
MANY = 4_000_000


def main() -> None:
    """Reads the command line and prints a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2600 * ROWS)
    parser.add_argument("--left", type=int, default=1, help="shards that are not made up")
    parser.add_argument("--folder", type=Path, help="where all of it goes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        src, out = Path(folder) / "src", Path(folder) / "out"
        started = time.monotonic()
        name_files(src, arguments.images)
        print(f"{arguments.images} files named in {time.monotonic() - started:.0f} s", flush=True)
        plan(src)
        print(f"{make_up(src, out, arguments.left)} shards made up", flush=True)
        report("goes on", build(src, out), out)
        report("complete", build(src, out), None)


def name_files(root: Path, count: int) -> None:
    """Creates a split of ``count`` empty files."""
    shared = 1 if count < MANY else LINKS
    for number in range(CLASSES):
        name = f"n{1440764 + number:08d}"
        folder = root / "train" / name
        folder.mkdir(parents=True)
        first = None
        for index in range(number * count // CLASSES, (number + 1) * count // CLASSES):
            path = f"{folder}/{name}_{index}.JPEG"
            if first is None or (index % shared == 0):
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
                first = path
            else:
                os.link(first, path)


def plan(src: Path) -> None:
    """Runs `texgen plan`."""
    command = [sys.executable, "-m", "texgen", "plan", "--src", str(src)]
    process = subprocess.Popen(
        [*command, "--engine", "stub", "--max-failures", "100%", "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    output: list[str] = []
    pipe = process.stdout
    assert pipe is not None
    reader = threading.Thread(target=lambda: output.append(pipe.read()))
    reader.start()
    run = watched(process)
    reader.join()
    listing_s = json.loads(output[0])["listing_seconds"]
    print(
        f"plan: {run.wall_s:.1f} s, of which listing {listing_s:.1f} s; {run.cpu_s:.1f} core-s; "
        f"peak {run.peak_mb['driver']:.0f} MB",
        flush=True,
    )


def make_up(src: Path, out: Path, left: int) -> int:
    """Writes plan, records and shards of zeros, except the last ``left``; returns their number."""
    engine = identify(EngineSpec("stub"))
    config = DatasetConfig(engine, DECODE_RULE, MAX_PIXELS, samples_per_shard=ROWS)
    sink = Sink(out)
    with sink.lock():
        spec = SourceSpec(str(src))
        request = BuildRequest(spec, str(out), NAME, config, RunOptions())
        plan = load_or_create_plan(request, FolderSource(spec), sink, {})
    planned = PlannedShards(plan, sink)
    shards = list(plan.shards())[:-left]
    for shard in shards:
        record, rows = made_up(planned.load(*shard), plan)
        sink.write(record_path(*shard), encode_record(record, rows))
        tar = out / shard_path(*shard)
        tar.parent.mkdir(exist_ok=True)
        tar.touch()
        os.truncate(tar, record.size)
    return len(shards)


def made_up(shard: ShardPlan, plan: Plan) -> tuple[ShardRecord, list[Row]]:
    """Record and rows as the shard would have them, with SHA-256 sums of nothing."""
    path = shard_path(shard.split, shard.index)
    rows = []
    for number, entry in enumerate(shard.entries):
        seed = texture_seed(0, entry.key, 0)
        sha256 = hashlib.sha256(entry.key.encode()).hexdigest()
        member = TextureFile(path, number * TEXTURE_BYTES, TEXTURE_BYTES, sha256)
        rows.append(Row(entry.key, entry, 0, seed, patch_geometry(500, 375, seed), member))
    sha256 = hashlib.sha256(path.encode()).hexdigest()
    size = len(rows) * TEXTURE_BYTES
    return ShardRecord(
        shard.split, shard.index, size, sha256, len(rows), 0, plan.fingerprint, Timings()
    ), rows


def build(src: Path, out: Path) -> Run:
    """Runs the same build in plain processes."""
    command = [sys.executable, "-m", "texgen", "build", "--src", str(src), "--out", str(out)]
    more = ["--engine", "stub", "--no-ray", "--quiet", "--name", NAME, "--max-failures", "100%"]
    return watched(
        subprocess.Popen([*command, *more], stdout=subprocess.DEVNULL),
        lambda: any((out / "_build" / "tmp").rglob("*.part")),
    )


def report(name: str, run: Run, made_in: Path | None) -> None:
    """Prints the time of a run; if it built shards, when it began and how long its end took."""
    took = f"{run.wall_s:.1f} s, {run.cpu_s:.1f} core-s"
    print(f"{name}: {took}, peak of the driver {run.peak_mb['driver']:.0f} MB", flush=True)
    if made_in:
        last = max(p.stat().st_mtime for p in made_in.glob("_build/records/*"))
        end_s = (made_in / "index.json").stat().st_mtime - last
        print(
            f"  first task at work after {run.event_s:.1f} s; manifest and index in {end_s:.1f} s"
        )


if __name__ == "__main__":
    main()
