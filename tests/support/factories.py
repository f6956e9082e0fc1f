"""Small records that several tests need."""

from __future__ import annotations

from typing import Any

from texgen.core.config import DatasetConfig, EngineIdentity
from texgen.core.types import Geometry, ImageEntry, Row, TextureFile

ENGINE = EngineIdentity(
    "stub", "1", {"candidates": 50.0}, {"png": "png 1", "webp": "webp 1", "jpg": "jpg 1"}
)


def config(**changes: Any) -> DatasetConfig:
    """A configuration that needs no engine process."""
    given = {"engine": ENGINE, "decode_rule": "rule", "max_pixels": 1000, "size": 16, **changes}
    return DatasetConfig(**given)


def entry(key: str = "ant/a", label: int | None = 0, size: int = 100) -> ImageEntry:
    """An image; its class is the first part of its key."""
    name = None if label is None else key.partition("/")[0]
    return ImageEntry(key, f"{key}.jpg", f"{key}.jpg".encode(), size, label, name)


def row(key: str = "ant/a", *, error: str | None = None, label: int | None = 0) -> Row:
    """A texture of the image ``key``, or a failed row."""
    if error:
        return Row(key, entry(key, label), 0, 7, error=error)
    boxes = Geometry(120, 110, 96, (12, 7), (3, 4))
    return Row(
        key, entry(key, label), 0, 7, boxes, TextureFile("train/train-000000.tar", 512, 3, "ab")
    )
