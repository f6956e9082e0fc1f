"""What `texgen build` was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from texgen.core.config import DatasetConfig, RunOptions
from texgen.source import SourceSpec


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What `texgen build` was asked for.

    Attributes:
        source: SRC.
        out: OUT.
        name: The data set's name in its card.
        config: What is made.
        options: How.
    """

    source: SourceSpec
    out: str
    name: str
    config: DatasetConfig
    options: RunOptions
