"""A number that the main process of training sets for all processes of its loader."""

from __future__ import annotations

import ctypes
from multiprocessing.context import get_spawning_popen
from multiprocessing.sharedctypes import RawValue
from typing import Any


class SharedNumber:
    """A number that a process sets for the processes which have received it at their start.

    A copy made in any other way, such as by `copy.deepcopy`, begins with the number of that moment
    and is independent.
    """

    def __init__(self, number: int = 0, shared: Any = None) -> None:  # noqa: ANN401 - a ctype
        self._shared = RawValue(ctypes.c_int64, number) if shared is None else shared

    def get(self) -> int:
        """Returns the number."""
        return int(self._shared.value)

    def set(self, number: int) -> None:
        """Sets the number, of 64 bits."""
        self._shared.value = number

    def __reduce__(self) -> tuple[type[SharedNumber], tuple[Any, ...]]:
        if get_spawning_popen() is None:
            return SharedNumber, (self.get(),)
        return SharedNumber, (0, self._shared)
