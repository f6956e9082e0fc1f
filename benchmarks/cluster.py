"""Measures how much of a cluster's time a build leaves unused, and what its driver needs.

Starts a Ray cluster of logical nodes on this machine and runs ``texgen build`` on it, with one
texture a shard and engines that sleep for a second a texture and need next to no processor time.
The ideal is that all slots are busy all the time in the steady state, between the first and the
last tenth of the shards. On few processors, the work of tasks and driver counts against it.

    python benchmarks/cluster.py [--nodes 8] [--slots 4] [--tasks 10000] [--seconds 1]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
from PIL import Image
from ray.cluster_utils import Cluster

from texgen.core.layout import RECORDS
from texgen.dataset.records import read_shard_record
from texgen.storage import Sink
from texgen.synthesis.engine_spec import worker_path

SLEEPER = Path(__file__).parents[1] / "tests" / "faults" / "bad_worker.py"
CLASSES = 10


def main() -> None:
    """Reads the command line and prints the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=1.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        make_images(place / "src", given.tasks)
        # Nodes hand it down to their tasks, and these to their engines.
        os.environ.update(sleeping_engine(place, given.seconds))
        cluster = start(given.nodes, given.slots)
        try:
            memory, busy_s = build(place, cluster.address)
        finally:
            cluster.shutdown()  # type: ignore[no-untyped-call]
        tell(place / "out", given.nodes * given.slots / given.seconds, memory)
        print(f"driver: {1000 * busy_s / given.tasks:.2f} core-ms a task")


def make_images(src: Path, count: int) -> None:
    """Creates links to one small image, spread evenly over classes."""
    first = src / "first.png"
    src.mkdir()
    Image.effect_noise((40, 40), 60).convert("RGB").save(first)
    for number in range(count):
        name = src / "train" / f"class{number % CLASSES}" / f"{number}.png"
        name.parent.mkdir(parents=True, exist_ok=True)
        os.link(first, name)
    first.unlink()


def sleeping_engine(place: Path, seconds: float) -> dict[str, str]:
    """Environment in which engine processes sleep before each answer."""
    script = place / "sleeper"
    script.write_text(f"#!{sys.executable}\n{SLEEPER.read_text()}")
    script.chmod(0o755)
    about = {"mode": "slow", "worker": str(worker_path()), "seconds": seconds}
    return {"TEXGEN_WORKER": str(script), "BAD_WORKER": json.dumps(about)}


def start(nodes: int, slots: int) -> Cluster:
    """Starts a head without processors, and the nodes."""
    store = 80 << 20
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": store}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(nodes):
        cluster.add_node(num_cpus=slots, object_store_memory=store)
    return cluster


def build(place: Path, address: str) -> tuple[list[float], float]:
    """Runs the build; returns the driver's memory, MB each second, and processor time, s."""
    command = [sys.executable, "-m", "texgen", "build", "--src", str(place / "src")]
    command += ["--out", str(place / "out"), "--ray-address", address, "--quiet"]
    command += ["--engine", "stub", "--size", "32", "--samples-per-shard", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    memory: list[float] = []
    busy = [0.0]

    def watch() -> None:
        driver = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                memory.append(driver.memory_info().rss / 1e6)
                busy[0] = sum(driver.cpu_times()[:2])
            except psutil.Error:
                return
            time.sleep(1)

    threading.Thread(target=watch, daemon=True).start()
    if process.wait() != 0:
        message = f"the build ended with {process.returncode}"
        raise RuntimeError(message)
    return memory, busy[0]


def tell(out: Path, ideal: float, memory: list[float]) -> None:
    """Prints the rate in the steady state beside the ideal rate, and the driver's memory."""
    sink = Sink(out)
    timings = [read_shard_record(sink.open(path)).timings for path in sink.list(RECORDS)]
    ended = sorted(one.ended for one in timings)
    took = [one.total_s for one in timings]
    tenth = len(ended) // 10
    span = ended[-tenth] - ended[tenth]
    rate = (len(ended) - 2 * tenth) / span
    print(
        f"{len(ended)} tasks: {rate:.2f} a second in the steady state ({span:.0f} s), "
        f"{rate / ideal:.1%} of {ideal:.0f}; from first to last {ended[-1] - ended[0]:.0f} s"
    )
    print(f"a shard, from its begin to its record: {statistics.median(took):.3f} s, median")
    parts = [memory[len(memory) * part // 10] for part in range(2, 10)]
    print("driver, MB, at 20 % to 90 % of its time: " + " ".join(f"{one:.0f}" for one in parts))
    print(f"driver, peak: {max(memory):.0f} MB")


if __name__ == "__main__":
    main()
