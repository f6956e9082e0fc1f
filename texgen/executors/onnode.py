"""What a Ray worker runs before it has any of texgen, and what it runs then.

Ray sends functions by name where it can. The worker would import texgen for them from wherever
it looks first, which begins with the folder in which the driver was started. So these are made
inside of another function: Ray sends their code, and they choose which texgen is imported.
"""

from __future__ import annotations

import os
import pickle
import socket
import sys
from collections.abc import Callable
from typing import Any

import ray

from texgen.errors import EngineStartError, ScratchError, TexgenError
from texgen.executors.task import run_task
from texgen.launch import module_path, package_file


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


def home(*, same_machine: bool) -> dict[str, Any]:
    """Where a Ray worker is to import from.

    Args:
        same_machine: Whether the worker is a local Ray's, with this process's environment. One of
            a cluster has its own; only what Ray adds to it of this process is taken away.
    """
    if same_machine:
        return {"path": module_path(), "package": package_file()}
    try:
        here = [os.path.abspath("")]  # noqa: PTH100 - as Ray itself has it
    except FileNotFoundError:
        here = []
    script = os.path.dirname(os.path.realpath(sys.argv[0]))  # noqa: PTH120 - likewise
    return {"added": [*here, script]}


def shard_function() -> Callable[..., Any]:
    """The task: ``(home, code, task, board)`` to a shard's record.

    A worker with another texgen gives a dict instead, of names and text alone: which ``other``
    one it has, ``node`` and ``host`` as in `NodeError`.
    """

    def texgen_shard(home: dict[str, Any], code: str, task: bytes, board: Any) -> Any:  # noqa: ANN401 - an actor handle, Ray's answer
        import importlib.util
        import os
        import socket
        import sys

        def load() -> None:
            if "texgen" in sys.modules:
                return
            if "path" not in home:
                while sys.path and sys.path[0] in home["added"]:
                    del sys.path[0]
                if "" in os.environ.get("PYTHONPATH", "-").split(os.pathsep):
                    sys.path[:] = [folder for folder in sys.path if folder != os.getcwd()]  # noqa: PTH109 - nothing is imported yet
                return
            sys.path[:] = home["path"]
            spec = importlib.util.spec_from_file_location("texgen", home["package"])
            package = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
            sys.modules["texgen"] = package
            spec.loader.exec_module(package)  # type: ignore[union-attr]

        def found() -> str:
            try:
                load()
                import texgen
            except Exception as error:  # noqa: BLE001 - whatever a broken installation raises
                sys.modules.pop("texgen", None)
                return f"no texgen that can be imported ({type(error).__name__}: {error})"
            try:
                from texgen.identity import code_identity
            except ImportError:
                return f"texgen {getattr(texgen, '__version__', 'of no version')}"
            return str(code_identity())

        if (other := found()) != code:
            import ray

            node = ray.get_runtime_context().get_node_id()
            return {"other": other, "node": node, "host": socket.gethostname()}
        from texgen.executors.onnode import run_shard

        return run_shard(task, board)

    return texgen_shard


def board_class() -> type[Any]:
    """The actor on which tasks leave events, as bytes, for the driver."""

    class TexgenBoard:
        def __init__(self) -> None:
            self._events: list[bytes] = []

        def post(self, event: bytes) -> None:
            self._events.append(event)

        def drain(self) -> list[bytes]:
            events, self._events = self._events, []
            return events

    return TexgenBoard


def run_shard(task: bytes, board: Any) -> Any:  # noqa: ANN401 - an actor handle, a `ShardRecord`
    """Makes a shard in a worker that has the driver's texgen.

    Args:
        task: A pickled `ShardTask`.
        board: Takes the events.

    Raises:
        NodeError: For what would meet every shard on this node.
        TexgenError: For all else.
    """
    try:
        return run_task(pickle.loads(task), lambda event: board.post.remote(pickle.dumps(event)))  # noqa: S301 - the driver's own bytes
    except (EngineStartError, ScratchError) as error:
        node = ray.get_runtime_context().get_node_id()
        raise NodeError(error, node, socket.gethostname()) from None
