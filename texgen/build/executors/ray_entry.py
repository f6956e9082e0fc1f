"""What a Ray worker runs before it has any of texgen: Ray sends the code of this module itself.

A function that Ray sends by name would import texgen from wherever the worker looks first. So
nothing of texgen is imported here before it is chosen which one, and `cluster` has the module
pickled by value.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
from typing import Any


def texgen_shard(home: dict[str, Any], code: str, task: bytes, board: Any) -> Any:  # noqa: ANN401 - an actor handle; the record
    """Makes a shard with the driver's texgen, or says which other one is here.

    Args:
        home: See `texgen.build.executors.ray_worker.home`.
        code: The driver's `CodeIdentity`, as text.
        task: A pickled `ShardTask`.
        board: Takes the events.

    Returns:
        The shard's record; or, where the texgen here is another, a dict of text: which ``other``
        one, ``node`` and ``host``.
    """
    other = _texgen_of(home)
    if other != code:
        import ray

        node = ray.get_runtime_context().get_node_id()
        return {"other": other, "node": node, "host": socket.gethostname()}
    from texgen.build.executors.ray_worker import run_shard

    return run_shard(task, board)


class Board:
    """An actor on which tasks leave events, as bytes, for the driver."""

    def __init__(self) -> None:
        self._events: list[bytes] = []

    def post(self, event: bytes) -> None:
        """Takes one."""
        self._events.append(event)

    def drain(self) -> list[bytes]:
        """Gives those that it was left since the last time."""
        events, self._events = self._events, []
        return events


def _texgen_of(home: dict[str, Any]) -> str:
    """Imports texgen and says which one it is."""
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
    """Sets the path of modules, and has texgen loaded from the file that is named."""
    if "package" not in home:
        # A cluster's node has its own path; what Ray has put in front is the driver's.
        while sys.path and sys.path[0] in home["added"]:
            del sys.path[0]
        return
    sys.path[:] = home["path"]
    spec = importlib.util.spec_from_file_location("texgen", home["package"])
    if spec is None or spec.loader is None:
        message = f"{home['package']} is no longer there"
        raise ImportError(message)
    sys.modules["texgen"] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
