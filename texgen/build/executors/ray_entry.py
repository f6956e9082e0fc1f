"""First code of a Ray worker, which runs before texgen is imported there.

A function that Ray sends by name would import texgen from the first folder of the worker's path.
Therefore this module imports nothing of texgen before it has chosen which one, and
`texgen.build.executors.ray` has it pickled by value, so that Ray sends the code itself.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
from typing import Any


def texgen_shard(home: dict[str, Any], code: str, task: bytes, board: Any) -> Any:  # noqa: ANN401 - an actor handle; the record
    """Builds a shard with the driver's texgen, or returns which other texgen this node has.

    Args:
        home: Result of `texgen.build.executors.ray_worker.home`.
        code: `CodeIdentity` of the driver, as text.
        task: A pickled `ShardTask`.
        board: Actor handle of the `Board` that takes the events.

    Returns:
        The record of the shard; or, if the texgen of this node differs, a dict of texts: ``other``
        with its identity, ``node`` and ``host``.
    """
    other = _texgen_of(home)
    if other != code:
        import ray

        node = ray.get_runtime_context().get_node_id()
        return {"other": other, "node": node, "host": socket.gethostname()}
    from texgen.build.executors.ray_worker import run_shard

    return run_shard(task, board)


class Board:
    """Ray actor that holds the events of tasks, as bytes, until the driver reads them."""

    def __init__(self) -> None:
        self._events: list[bytes] = []

    def post(self, event: bytes) -> None:
        """Adds an event."""
        self._events.append(event)

    def drain(self) -> list[bytes]:
        """Returns and forgets the events since the last call."""
        events, self._events = self._events, []
        return events


def _texgen_of(home: dict[str, Any]) -> str:
    """Imports texgen and returns its identity, as text."""
    try:
        if "texgen" not in sys.modules:
            _find(home)
        import texgen
    except Exception as error:  # noqa: BLE001 - whatever a broken installation raises
        sys.modules.pop("texgen", None)
        return f"no texgen that can be imported ({type(error).__name__}: {error})"
    try:
        from texgen.core.identity import code_identity
    except ImportError:
        return f"texgen {getattr(texgen, '__version__', 'of no version')}"
    return str(code_identity())


def _find(home: dict[str, Any]) -> None:
    """Sets the path of modules and loads texgen from the named file."""
    if "package" not in home:
        # A node of a cluster has its own path; Ray has put the driver's folders in front.
        while sys.path and sys.path[0] in home["added"]:
            del sys.path[0]
        return
    sys.path[:] = home["path"]
    spec = importlib.util.spec_from_file_location("texgen", home["package"])
    if spec is None or spec.loader is None:
        raise ImportError(f"{home['package']} does not exist any more")
    sys.modules["texgen"] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
