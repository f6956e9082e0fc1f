"""What a build of ImageNet's size takes to go on, to end, and to find that it is complete.

Links photographs under 1.33 million names, makes up shards (sparse files) and their
records for all but the last few, and runs `texgen build` with the stub engine twice:
the first run makes the shards that are left and finishes, the second finds nothing to do.

    python benchmarks/resume.py SRC [--shards 2600] [--left 4] [--folder F]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from watch import Run, watched

from texgen.config import DatasetConfig
from texgen.driver.prepare import settle_plan
from texgen.images import DECODE_RULE, MAX_PIXELS
from texgen.patches import patch_geometry
from texgen.plan import Plan, PlannedShards
from texgen.records import encode_record, record_path
from texgen.seeds import texture_seed
from texgen.source import FolderSource
from texgen.storage import LocalSink
from texgen.synthesize import EngineSpec, identify
from texgen.types import Member, Row, ShardPlan, ShardRecord, Timings, shard_path

CLASSES = 1000
ROWS = 512
NAME = "imagenet-texture"
TEXTURE_BYTES = 45_000


def main() -> None:
    """Reads the command line and prints a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("src", type=Path)
    parser.add_argument("--shards", type=int, default=2600)
    parser.add_argument("--left", type=int, default=4)
    parser.add_argument("--folder", type=Path, help="where the links go; on the disk of SRC")
    arguments = parser.parse_args()
    photographs = sorted(p for p in arguments.src.rglob("*") if p.is_file())
    with tempfile.TemporaryDirectory(dir=arguments.folder or arguments.src.parent) as folder:
        src, out = Path(folder) / "src", Path(folder) / "out"
        link(photographs, src, arguments.shards * ROWS)
        print(f"{make_up(src, out, arguments.left)} shards made up", flush=True)
        report("goes on", build(src, out), out)
        report("complete", build(src, out), None)


def link(photographs: list[Path], root: Path, count: int) -> None:
    """A split of ``count`` differently named photographs, in classes as ImageNet names them."""
    for index in range(count):
        source = photographs[index % len(photographs)]
        name = f"n{1440764 + index * CLASSES // count:08d}"
        folder = root / "train" / name
        folder.mkdir(parents=True, exist_ok=True)
        os.link(source, folder / f"{name}_{index}{source.suffix}")


def make_up(src: Path, out: Path, left: int) -> int:
    """Writes plan, records and shards of zeros, but for the last ``left``; their number."""
    engine = identify(EngineSpec("stub"))
    config = DatasetConfig(engine, DECODE_RULE, MAX_PIXELS, samples_per_shard=ROWS)
    sink = LocalSink(out)
    with sink.lock():
        plan = settle_plan(FolderSource(src), config, NAME, sink, {})
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
    """Record and rows as the shard would have them, with sums of nothing."""
    path = shard_path(shard.split, shard.index)
    rows = []
    for number, entry in enumerate(shard.entries):
        seed = texture_seed(0, entry.key, 0)
        sha256 = hashlib.sha256(entry.key.encode()).hexdigest()
        member = Member(path, number * TEXTURE_BYTES, TEXTURE_BYTES, sha256)
        rows.append(Row(entry.key, entry, 0, seed, patch_geometry(500, 375, seed), member))
    sha256 = hashlib.sha256(path.encode()).hexdigest()
    size = len(rows) * TEXTURE_BYTES
    return ShardRecord(
        shard.split, shard.index, size, sha256, len(rows), 0, plan.fingerprint, Timings()
    ), rows


def build(src: Path, out: Path) -> Run:
    """Runs the same build in plain processes."""
    command = [sys.executable, "-m", "texgen", "build", "--src", str(src), "--out", str(out)]
    more = ["--engine", "stub", "--no-ray", "--quiet", "--name", NAME]
    return watched(subprocess.Popen([*command, *more], stdout=subprocess.DEVNULL))


def report(name: str, run: Run, made_in: Path | None) -> None:
    """Prints what a run took; of one that made shards, when it began and what the end took."""
    took = f"{run.wall_s:.1f} s, {run.cpu_s:.1f} core-s"
    print(f"{name}: {took}, peak of the driver {run.peak_mb['driver']:.0f} MB")
    if made_in:
        last = max(p.stat().st_mtime for p in made_in.glob("_build/records/*"))
        end_s = (made_in / "index.json").stat().st_mtime - last
        print(f"  an engine at work after {run.first_s:.1f} s; manifest and index in {end_s:.1f} s")


if __name__ == "__main__":
    main()
