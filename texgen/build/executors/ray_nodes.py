"""Nodes of a Ray cluster: their processors and GPUs, and which of them may make a shard."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import ray

from texgen.core.config import CPU, GPU
from texgen.core.text import pluralize


@dataclass(frozen=True, slots=True)
class Capacity:
    """What makes shards on a cluster: GPUs, and the processors of nodes without one.

    Attributes:
        nodes: Number of nodes whose processors make textures.
        cpus: Number of processors that Ray schedules on these nodes.
        smallest: Number of processors of the smallest of these nodes.
        gpus: Number of GPUs that make textures.
        gpu_nodes: Number of nodes that these GPUs are in.
        cpus_per_gpu: Number of processors that decode and encode for each GPU, on the node that
            has the fewest.
    """

    nodes: int
    cpus: float
    smallest: float
    gpus: int = 0
    gpu_nodes: int = 0
    cpus_per_gpu: float = 0.0


_NO_WORKER_YET = {
    False: Capacity(1, 1.0, 1.0),
    True: Capacity(0, 0.0, 1.0, gpus=1, gpu_nodes=1, cpus_per_gpu=1.0),
}
"""Capacity that is assumed for a cluster without workers, by whether only GPUs make textures:
queued tasks make its autoscaler act."""


class ClusterNodes:
    """The nodes of the cluster that this process is connected to.

    A node with a GPU works on its GPUs alone: its processors decode and encode for them.

    Args:
        device: One of `texgen.core.config.DEVICES`. ``auto`` uses GPUs where nodes have some, and
            the processors of the other nodes.

    Attributes:
        device: The argument of that name.
        capacity: The capacity when it was last counted.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self._avoided: set[str] = set()
        self._without_gpu: set[str] = set()
        self.count()

    def count(self) -> bool:
        """Counts the capacity again; False, with an assumed capacity, if there is none."""
        nodes = _resources(self._avoided)
        self._gpu_nodes = {
            node
            for node, resources in nodes.items()
            if self.device != CPU
            and node not in self._without_gpu
            and resources.get("GPU", 0.0) >= 1
        }
        found = self._sum(nodes)
        self.capacity = found or _NO_WORKER_YET[self.device == GPU]
        return found is not None

    def avoid(self, node: str) -> tuple[bool, bool]:
        """Stops using a node.

        Returns:
            Whether it was used until now, and whether others are left.
        """
        first = node not in self._avoided
        self._avoided.add(node)
        return first, self.count()

    def leave_gpu(self, node: str) -> bool:
        """Uses a node's processors instead of its GPUs from here on; False if it was so already."""
        first = node not in self._without_gpu
        self._without_gpu.add(node)
        self.count()
        return first

    def requirements(self, device: str, cpus: float) -> dict[str, Any]:
        """Options of a Ray task: what Ray must reserve for a shard, and on which nodes.

        Args:
            device: ``cpu`` or ``gpu``.
            cpus: Number of processors that a shard on processors needs.
        """
        if device == CPU:
            return {"num_cpus": cpus, "label_selector": _all_but(self._avoided | self._gpu_nodes)}
        share = self.capacity.cpus_per_gpu
        return {
            "num_gpus": 1,
            # Ray knows parts of a processor, but of several processors whole ones only.
            "num_cpus": share if share < 1 else int(share),
            "label_selector": _all_but(self._avoided | self._without_gpu),
        }

    def description(self) -> str:
        """Says what makes the textures, where that may be GPUs."""
        found = self.capacity
        if not self._gpu_nodes:
            if self.device == GPU:
                return (
                    "no node of the cluster has a GPU: shards wait for one (`ray start --num-gpus "
                    "N` says that a node has some); --device auto or cpu would not wait"
                )
            return "no node of the cluster has a GPU: processors make the textures"
        gpus = pluralize(found.gpus, "GPU")
        text = f"{gpus} on {pluralize(found.gpu_nodes, 'node')} of the cluster"
        if found.nodes:
            text += f" and the processors of {pluralize(found.nodes, 'other node')}"
        return f"{text} make the textures"

    def _sum(self, nodes: dict[str, dict[str, float]]) -> Capacity | None:
        with_gpu = [nodes[node] for node in nodes if node in self._gpu_nodes]
        others = [nodes[node].get("CPU", 0.0) for node in nodes if node not in self._gpu_nodes]
        cpus = [] if self.device == GPU else [count for count in others if count > 0]
        if not cpus and not with_gpu:
            return None
        return Capacity(
            nodes=len(cpus),
            cpus=sum(cpus),
            smallest=min(cpus, default=1.0),
            gpus=sum(int(r["GPU"]) for r in with_gpu),
            gpu_nodes=len(with_gpu),
            cpus_per_gpu=min((r.get("CPU", 0.0) / int(r["GPU"]) for r in with_gpu), default=0.0),
        )


def _resources(without: Collection[str]) -> dict[str, dict[str, float]]:
    """Resources of the running nodes by node, in the order of Ray's list."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return {n["NodeID"]: n["Resources"] for n in nodes if n["Alive"] and n["NodeID"] not in without}


def _all_but(nodes: Collection[str]) -> dict[str, str] | None:
    return {"ray.io/node-id": f"!in({','.join(sorted(nodes))})"} if nodes else None
