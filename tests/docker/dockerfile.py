"""Parses the instructions of this project's Dockerfile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its lines joined as Docker joins them."""

    name: str
    value: str


def read() -> list[Instruction]:
    """The instructions of this project's Dockerfile."""
    text = (ROOT / "Dockerfile").read_text()
    kept = [line for line in text.splitlines() if line.strip() and line.lstrip()[0] != "#"]
    lines = "\n".join(kept).replace("\\\n", " ").splitlines()
    return [Instruction(*line.split(maxsplit=1)) for line in lines]
