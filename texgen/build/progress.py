"""What a build tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Status:
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


class View(Protocol):
    """Shows a build."""

    def update(self, status: Status) -> None:
        """Called a few times a second."""
        ...

    def say(self, message: str) -> None:
        """A line for the person who watches."""
        ...


class Silent:
    """Shows nothing."""

    def update(self, status: Status) -> None:
        """See `View.update`."""

    def say(self, message: str) -> None:
        """See `View.say`."""
