"""What a build reports to the user while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far a build is.

    Attributes:
        done: Textures done or failed, those of earlier runs included.
        total: Textures planned.
        failed: Textures that failed.
        images: Images done: ``done`` divided by the textures of an image.
        images_total: Images planned.
    """

    done: int
    total: int
    failed: int
    images: int
    images_total: int


class BuildMonitor(Protocol):
    """Shows the progress of a build; as it is, it shows nothing."""

    def update(self, status: BuildProgress) -> None:
        """Called a few times a second."""
        return

    def message(self, message: str) -> None:
        """Shows a line to the user."""
        return


class SilentMonitor(BuildMonitor):
    """Shows nothing."""
