"""One attempt at one shard in a Ray worker, and where that worker imports from."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import sys
from typing import Any

import ray

from texgen.build.executors.task import run_task
from texgen.core.errors import EngineStartError, ScratchError, TexgenError
from texgen.core.launch import module_path, package_file
from texgen.core.types import ShardRecord


class NodeError(TexgenError):
    """What would meet every shard on one node, and perhaps on no other.

    Args:
        error: What it is.
        node: Ray's id of the node, hex.
        host: Its name.
    """

    def __init__(self, error: TexgenError, node: str, host: str) -> None:
        super().__init__(error, node, host)
        self.error = error
        self.node = node
        self.host = host


def home(*, local: bool) -> dict[str, Any]:
    """Where workers are to import from, for `texgen.build.executors.ray_entry`.

    Args:
        local: Whether they are a local Ray's, with all that this process has. Those of a cluster
            have a path of their own; only what Ray adds to it of this process is taken away.
    """
    if local:
        return {"path": module_path(), "package": package_file()}
    # As Ray itself makes them.
    added = [os.path.dirname(os.path.realpath(sys.argv[0]))]  # noqa: PTH120
    with contextlib.suppress(FileNotFoundError):
        added.append(os.getcwd())  # noqa: PTH109
    return {"added": added}


def run_shard(task: bytes, board: Any) -> ShardRecord:  # noqa: ANN401 - an actor handle
    """Makes a shard in a worker that has the driver's texgen.

    Args:
        task: A pickled `ShardTask`.
        board: Takes the events.

    Raises:
        NodeError: For what would meet every shard on this node.
        TexgenError: For all else.
    """
    try:
        return run_task(pickle.loads(task), lambda event: board.post.remote(pickle.dumps(event)))  # noqa: S301 - the driver's own
    except (EngineStartError, ScratchError) as error:
        node = ray.get_runtime_context().get_node_id()
        raise NodeError(error, node, socket.gethostname()) from None
