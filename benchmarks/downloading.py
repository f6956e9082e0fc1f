"""Measures the rate of `texgen download` over loopback, beside `curl | sha256sum`.

    python benchmarks/downloading.py [--shards 40] [--megabytes 64] [--repeat 5] [--folder F]

Creates a data set of shards of random bytes, serves it by nginx if that is installed, else by
Python's own server, and fetches it in four ways, in turn, so that other load of the machine
affects all of them: by curl and by texgen, with one connection and with ``--workers``. curl's
bytes go to sha256sum alone (``--sum "openssl sha256"`` uses the processor's own instructions, as
texgen does); texgen's go to files in F, are checked, synced and renamed. A first turn, which is
not counted, fills the page cache.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import random
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from texgen.core.layout import manifest_path, shard_path
from texgen.dataset.index import Index, ManifestFile, ShardFile, SplitIndex, encode_index

CONFIG = {"engine": "fast", "engine_version": "1", "format": "png", "patch_size": 96,
          "seed": 0, "small_patch_size": 48, "textures_per_image": 1}  # fmt: skip


def main() -> None:
    """Reads the command line and prints the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=int, default=40)
    parser.add_argument("--megabytes", type=int, default=64, help="of a shard")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--sum", default="sha256sum", help="what curl's bytes go to")
    parser.add_argument("--folder", type=Path, help="where the files and the downloads go")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        root, target = Path(folder) / "set", Path(folder) / "download"
        files = make_up(root, arguments.shards, arguments.megabytes * 1_000_000)
        with served(root) as (url, server):
            ways: dict[str, Callable[[], None]] = {}
            for many in (1, arguments.workers):
                ways[f"curl | {arguments.sum}, {many} at once"] = partial(
                    curl, url, files, many, arguments.sum
                )
                ways[f"texgen download, {many} at once"] = partial(texgen, url, target, many)
            total = sum((root / path).stat().st_size for path in files)
            print(f"{len(files)} files, {total / 1e9:.2f} GB, from {server}", flush=True)
            compare(ways, target, total / 1e6, arguments.repeat)


def make_up(root: Path, shards: int, size: int) -> list[str]:
    """Creates a data set of one split with shards of noise; returns its files without the index."""
    noise = random.Random(0)
    entries = []
    for number in range(shards):
        data = noise.randbytes(size)
        place = root / shard_path("train", number)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        entries.append(ShardFile(shard_path("train", number), size, sha256, 512))
    data = noise.randbytes(1_000_000)
    manifest = ManifestFile(
        manifest_path("train", 0), len(data), hashlib.sha256(data).hexdigest(), 512 * shards
    )
    (root / "manifest").mkdir()
    (root / manifest.path).write_bytes(data)
    split = SplitIndex(512 * shards, 512 * shards, 0, [], [manifest], entries)
    index = Index("made-up", "0" * 64, CONFIG, {"train": split})
    (root / "index.json").write_bytes(encode_index(index))
    return [file.path for file in index.files]


def curl(url: str, files: list[str], workers: int, sums: str) -> None:
    """Fetches every file by curl into a program that computes its sum, some at once."""
    one = f"set -o pipefail; curl --silent --fail {url}/$0 | {sums}"
    line = ["xargs", "-P", str(workers), "-n", "1", "bash", "-c", one]
    subprocess.run(line, input="\n".join(files), text=True, check=True, stdout=subprocess.DEVNULL)


def texgen(url: str, target: Path, workers: int) -> None:
    """Fetches the same files by texgen, into a new folder."""
    line = [sys.executable, "-m", "texgen", "download", url, "--out", str(target), "--quiet",
            "--workers", str(workers)]  # fmt: skip
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)


def compare(
    ways: dict[str, Callable[[], None]], target: Path, megabytes: float, repeat: int
) -> None:
    """Prints rate and processor time of each way, and texgen's rate as a share of curl's."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    cores: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeat + 1):
        for name, way in ways.items():
            begun, started = core_s(), time.perf_counter()
            way()
            if turn:
                spent[name].append(time.perf_counter() - started)
                cores[name].append(core_s() - begun)
            shutil.rmtree(target, ignore_errors=True)
    for name, seconds in spent.items():
        rates = sorted(megabytes / s for s in seconds)
        print(
            f"{name}: {statistics.median(rates):.0f} MB/s ({rates[0]:.0f} to {rates[-1]:.0f}), "
            f"{statistics.median(cores[name]) / megabytes * 1000:.2f} core-s a GB"
        )
    names = list(spent)
    for plain, ours in zip(names[::2], names[1::2], strict=True):
        shares = sorted(a / b for a, b in zip(spent[plain], spent[ours], strict=True))
        middle = statistics.median(shares)
        print(f"{ours} of {plain}: {middle:.2f} ({shares[0]:.2f} to {shares[-1]:.2f})")


def core_s() -> float:
    """Processor time in s of all ended processes without the server's."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def served(root: Path) -> Iterator[tuple[str, str]]:
    """Starts a server of ``root``; yields its URL and its name."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        if program := shutil.which("nginx"):
            config = Path(folder) / "nginx.conf"
            config.write_text(
                f"daemon off; pid {folder}/pid; error_log /dev/null; events {{}} http {{ "
                f"access_log off; sendfile on; server {{ listen 127.0.0.1:{port}; "
                f"root {root.resolve()}; }} }} user root;"
            )
            line, name = [program, "-c", str(config)], "nginx"
        else:
            line = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
            line += ["--directory", str(root)]
            name = "Python's http.server"
        server = subprocess.Popen(line, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            while subprocess.call(
                ["curl", "-sfo", "/dev/null", f"http://127.0.0.1:{port}/index.json"]
            ):
                assert server.poll() is None, "the server does not start"
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}", name
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
