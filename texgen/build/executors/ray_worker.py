"""One attempt at one shard in a Ray worker, and the folders from which that worker imports."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import sys
from typing import Any

import ray

from texgen.build.executors import Event, Logged
from texgen.build.executors.task import OnEvent, run_task
from texgen.core.errors import EngineStartError, ScratchError, TexgenError
from texgen.core.launch import module_path, package_file
from texgen.core.types import ShardRecord
from texgen.synthesis.engine_spec import GPU_VARIABLE

_POSTED_S = 5.0
"""Most seconds to wait until the board has the last event."""


class NodeError(TexgenError):
    """An error that every shard would meet on one node, and perhaps on no other.

    Args:
        error: The error.
        node: Ray's id of the node, in hex.
        host: Name of the node's machine.
    """

    def __init__(self, error: TexgenError, node: str, host: str) -> None:
        super().__init__(error, node, host)
        self.error = error
        self.node = node
        self.host = host


def home(*, local: bool) -> dict[str, Any]:
    """Folders from which workers import, for `texgen.build.executors.ray_entry`.

    Args:
        local: Whether the workers belong to a local Ray; they get the path of this process. The
            workers of a cluster keep their own path, without the folders that Ray adds to it.
    """
    if local:
        return {"path": module_path(), "package": package_file()}
    # The folders that Ray adds, computed as Ray does.
    added = [os.path.dirname(os.path.realpath(sys.argv[0]))]  # noqa: PTH120
    with contextlib.suppress(FileNotFoundError):
        added.append(os.getcwd())  # noqa: PTH109
    return {"added": added}


def run_shard(task: bytes, board: Any) -> ShardRecord:  # noqa: ANN401 - an actor handle
    """Builds a shard in a worker that has the driver's texgen; see `ray_entry.texgen_shard`.

    Raises:
        NodeError: If every shard would fail on this node.
        TexgenError: If this shard fails.
    """
    posted: list[Any] = []

    def report(event: Event) -> None:
        posted[:] = [board.post.remote(pickle.dumps(event))]

    _pass_on_gpu(report)
    try:
        return run_task(pickle.loads(task), report)  # noqa: S301 - bytes of the driver
    except (EngineStartError, ScratchError) as error:
        node = ray.get_runtime_context().get_node_id()
        raise NodeError(error, node, socket.gethostname()) from None
    finally:
        # The driver reads the board a last time when all shards are made.
        if posted:
            ray.wait(posted, timeout=_POSTED_S)


def _pass_on_gpu(report: OnEvent) -> None:
    """Passes the number of the GPU that Ray has reserved for this task on to the engine."""
    reserved = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
    if not reserved:
        return
    number = reserved[0]
    if not number.isdecimal():
        line = f"node {socket.gethostname()} names its GPUs by text ({number}): number 0 is used"
        report(Logged(line, warning=True))
        number = "0"
    os.environ[GPU_VARIABLE] = number
