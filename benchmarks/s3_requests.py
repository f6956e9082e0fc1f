"""Counts the requests of a build into a bucket, and their cost at a store's prices.

Builds some images with the stub engine into a store on this machine, once with images in a folder
and once with images in the bucket, and counts the requests that arrive.

    python benchmarks/s3_requests.py [--images 400] [--rows 20]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.support.proxy import Proxy
from tests.support.store import ENVIRONMENT, Store, running_server

NAMES = (
    ("GET", r"list-type=2", "LIST"),
    ("GET", r"/_build/records/", "GET record"),
    ("PUT", r"/_build/records/", "PUT record"),
    ("PUT", r"/_build/(lock|status|probe|plan|logs)", "PUT lock, heartbeat, plan, log"),
    ("PUT", r"\.tar", "PUT shard"),
    ("HEAD", r"", "HEAD"),
    ("GET", r"/src/", "GET image"),
    ("GET", r"", "GET other"),
    ("PUT", r"", "PUT other"),
    ("POST", r"", "POST"),
    ("DELETE", r"", "DELETE"),
)


def main() -> None:
    """Reads the command line and prints a line for each kind of request."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--rows", type=int, default=20, help="of a shard")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_server() as url:
        src = Path(folder, "src")
        src.mkdir()
        for number in range(given.images):
            Image.effect_noise((40, 40), 60).convert("RGB").save(src / f"{number}.png")
        os.environ.update(ENVIRONMENT)
        store = Store(url)
        for path in src.iterdir():
            store.put(f"src/train/a/{path.name}", path.read_bytes())
        print(f"{given.images} images in shards of {given.rows}")
        labelled = src.parent / "folder" / "train" / "a"
        labelled.parent.mkdir(parents=True)
        src.rename(labelled)
        for where in (str(labelled.parents[1]), f"s3://{store.bucket}/src"):
            print(f"images in {'the bucket' if '://' in where else 'a folder'}:")
            with Proxy(url) as proxy:
                build(
                    where,
                    f"s3://{store.bucket}/{'b' if '://' in where else 'a'}",
                    given.rows,
                    proxy.url,
                )
                tell(proxy.asked)


def build(src: str, out: str, rows: int, endpoint: str) -> None:
    """Builds with the stub engine."""
    line = ["build", "--src", src, "--out", out, "--samples-per-shard", str(rows)]
    line += ["--engine", "stub", "--size", "32", "--no-ray", "--quiet", "--s3-endpoint", endpoint]
    subprocess.run([sys.executable, "-m", "texgen", *line], check=True, stdout=subprocess.DEVNULL)


def tell(asked: list[tuple[str, str]]) -> None:
    """Prints requests by kind."""
    kinds: Counter[str] = Counter()
    for method, path in asked:
        kinds[next(name for m, p, name in NAMES if m == method and re.search(p, path))] += 1
    for name, count in sorted(kinds.items()):
        print(f"  {name}: {count}")


if __name__ == "__main__":
    main()
