"""Simulates the build of a whole data set on a number of cores, from measured times of its steps.

    python benchmarks/simulate_scale.py                 the tables of docs/scale.md
    python benchmarks/simulate_scale.py --shards OUT    adds the times of a build's shards

``scale_costs.json`` holds the measurements, each with its origin. The time of a shard is the time
a texture of a randomly drawn measured shard, times its textures, divided by its engines, times a
factor of its node. Nodes arrive over time, are lost and are replaced, and a shard on a lost node
begins again. texgen's own rules schedule the shards. The steps before and after (planning,
manifest and index) run on one core.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

from texgen.build.sizing import engines_per_shard
from texgen.core.layout import RECORDS
from texgen.dataset.records import read_shard_record
from texgen.storage import Sink
from texgen.storage.s3.upload import MULTIPART_BYTES

COSTS = Path(__file__).with_name("scale_costs.json")
LARGE = 2_000_000_000
"""Number of images of a large data set from the web."""
PUT_PRICE, GET_PRICE = 0.005, 0.0004
"""Dollars for 1,000 PUT, POST and LIST, and for 1,000 GET, in Amazon's oldest region."""
INDEX_BYTES = 149
"""Bytes of a shard in index.json."""
PART_BYTES = 16 << 20
"""Parts of a shard that is larger than `MULTIPART_BYTES`."""


@dataclass(frozen=True)
class Costs:
    """Measurements, in seconds unless the name has another unit; see ``scale_costs.json``."""

    texture_s: list[float]
    task_s: float
    idle: float
    connect_s: float
    list_s: float
    finish_s: float
    shard_bytes: float
    image_bytes: float


@dataclass(frozen=True)
class Cluster:
    """A cluster.

    Attributes:
        cores: Number of cores of all nodes.
        node: Number of cores of one node.
        spread: Standard deviation of the logarithm of the nodes' speed.
        arrive_s: Seconds until the last node has arrived; nodes arrive evenly.
        lost_per_hour: Probability that a node is lost in an hour.
        replace_s: Seconds until a lost node is replaced.
    """

    cores: int
    node: int = 64
    spread: float = 0.05
    arrive_s: float = 0.0
    lost_per_hour: float = 0.0
    replace_s: float = 300.0


@dataclass(frozen=True)
class Result:
    """Result of a simulation.

    Attributes:
        engines: Number of engines of each shard.
        making_s: Seconds from the begin of the first shard to the end of the last.
        whole_s: Seconds with planning and finishing.
        efficiency: Engine time of the textures over the time of all cores while they were there.
        again: Share of the engine time that was lost with nodes.
    """

    engines: int
    making_s: float
    whole_s: float
    efficiency: float
    again: float


def simulate(images: int, rows: int, cluster: Cluster, costs: Costs, seed: int) -> Result:
    """Simulates a build, event by event."""
    rng = random.Random(seed)
    shards = [rows] * (images // rows) + ([images % rows] if images % rows else [])
    size = min(cluster.node, cluster.cores)
    nodes = max(1, cluster.cores // size)
    engines = engines_per_shard(shards, nodes, size)
    # When a slot is free, and its node.
    comes = [cluster.arrive_s * node / nodes for node in range(nodes)]
    slots = [(comes[node], node) for node in range(nodes) for _ in range(size // engines)]
    heapq.heapify(slots)
    speed = [math.exp(rng.gauss(0, cluster.spread)) for _ in range(nodes)]
    rate = -math.log1p(-cluster.lost_per_hour) / 3600
    dies = [rng.expovariate(rate) if rate else math.inf for _ in range(nodes)]
    waiting, given, useful, wasted, end = list(reversed(shards)), 0, 0.0, 0.0, 0.0
    while waiting:
        free, node = heapq.heappop(slots)
        while free >= dies[node]:
            # Its slots come back with the node that replaces it.
            dies[node] += cluster.replace_s + rng.expovariate(rate)
        given += 1
        begin = max(free, given * costs.task_s) + costs.idle
        textures = waiting.pop()
        takes = rng.choice(costs.texture_s) * speed[node] * math.ceil(textures / engines)
        if begin + takes > dies[node]:
            wasted += max(0.0, dies[node] - begin) * engines
            waiting.append(textures)
            heapq.heappush(slots, (dies[node] + cluster.replace_s, node))
            continue
        useful += takes * engines
        end = max(end, begin + takes)
        heapq.heappush(slots, (begin + takes, node))
    whole = costs.list_s * images + costs.connect_s + end + costs.finish_s * images
    paid = sum(max(0.0, whole - come) * size for come in comes)
    return Result(engines, end, whole, useful / paid, wasted / (useful + wasted))


def main() -> None:
    """Reads the command line; prints the tables, or adds the shards of a build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=Path, metavar="OUT", help="note what its shards took")
    given = parser.parse_args()
    if given.shards:
        note(given.shards)
        return
    costs = read_costs()
    images = 1_331_167  # ImageNet's train and val
    print(f"{images:,} images, shards of 512")
    rows(images, 512, costs, [Cluster(cores) for cores in (1, 8, 64, 512, 4096)])
    print("\nnodes come within 10 minutes, and 20 % an hour are lost")
    lossy = [Cluster(n, arrive_s=600, lost_per_hour=0.2) for n in (64, 512, 4096)]
    rows(images, 512, costs, lossy)
    print("\nshards of 128")
    rows(images, 128, costs, [Cluster(cores) for cores in (512, 4096)])
    print(f"\n{LARGE:,} images")
    rows(LARGE, 512, costs, [Cluster(4096)])
    rows(LARGE, 8192, costs, [Cluster(4096)], head=False)
    print("\nrequests and bytes of a bucket")
    bucket(images, 512, costs)
    bucket(LARGE, 8192, costs, head=False)


def bucket(images: int, size: int, costs: Costs, *, head: bool = True) -> None:
    """Formats requests and cost of a build with SRC and OUT in buckets (``s3_requests.py``)."""
    shards = math.ceil(images / size)
    tar = size * costs.shard_bytes
    parts = 1 if tar <= MULTIPART_BYTES else 2 + math.ceil(tar / PART_BYTES)
    puts, gets = shards * (parts + 1), images + shards
    lists = images // 1000 + 2 * shards
    price = (puts + lists) / 1000 * PUT_PRICE + gets / 1000 * GET_PRICE
    if head:
        print("| images | PUT and POST | GET | LIST | price | read | written | index.json |")
        print("|---|---|---|---|---|---|---|---|")
    read, written = images * costs.image_bytes, images * costs.shard_bytes
    index = shards * INDEX_BYTES
    print(
        f"| {images:,} | {puts:,} | {gets:,} | {lists:,} | {price:,.2f} $ | {read / 1e12:,.2f} TB "
        f"| {written / 1e12:,.2f} TB | {index / 1e6:,.1f} MB |"
    )


def rows(
    images: int, size: int, costs: Costs, clusters: list[Cluster], *, head: bool = True
) -> None:
    """Formats a line for each cluster."""
    if head:
        print("| cores | shards | engines a shard | making | all | efficiency | made again |")
        print("|---|---|---|---|---|---|---|")
    for cluster in clusters:
        found = simulate(images, size, cluster, costs, seed=0)
        print(
            f"| {cluster.cores:,} | {math.ceil(images / size):,} of {size} | {found.engines} "
            f"| {words(found.making_s)} | {words(found.whole_s)} "
            f"| {found.efficiency:.0%} | {found.again:.2%} |"
        )


def words(seconds: float) -> str:
    """Formats a duration for people."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 200_000 else f"{seconds / 86400:.1f} days"


def read_costs() -> Costs:
    """Reads the measurements."""
    found = json.loads(COSTS.read_text())
    return Costs(**{name: entry["value"] for name, entry in found.items()})


def note(out: Path) -> None:
    """Adds the engine time a texture, in seconds, of each whole shard of a build to the file."""
    sink = Sink(out)
    records = [read_shard_record(sink.open(path)) for path in sink.list(RECORDS)]
    largest = max(record.samples for record in records)
    whole = [record for record in records if record.samples == largest]
    found = json.loads(COSTS.read_text())
    found["texture_s"]["value"] = [round(r.timings.total_s / r.samples, 5) for r in whole]
    found["shard_bytes"]["value"] = sum(r.size for r in whole) / sum(r.samples for r in whole)
    COSTS.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{len(whole)} shards of {largest} textures")


if __name__ == "__main__":
    main()
