"""What a build tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class BuildStatus:
    """How far a build is.

    Attributes:
        done: Textures done or failed, those of earlier runs included.
        total: Textures planned.
        failed: Textures that failed.
        earlier: Those of ``done`` that were there when this run began.
        images: Photographs done, from ``done`` and the textures an image.
        images_total: Photographs planned.
        running: Shards being made.
    """

    done: int
    total: int
    failed: int
    earlier: int
    images: int
    images_total: int
    running: int


class BuildMonitor(Protocol):
    """Shows a build."""

    def update(self, status: BuildStatus) -> None:
        """Called a few times a second."""
        ...

    def say(self, message: str) -> None:
        """A line for the person who watches."""
        ...


class SilentMonitor:
    """Shows nothing."""

    def update(self, status: BuildStatus) -> None:
        """See `BuildMonitor.update`."""

    def say(self, message: str) -> None:
        """See `BuildMonitor.say`."""
