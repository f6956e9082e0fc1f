"""What of the data set's card a check of its pixels goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from texgen.core.config import FORMATS, MAX_SIZE
from texgen.core.errors import DatasetError
from texgen.core.layout import INDEX


@dataclass(frozen=True, slots=True)
class Settings:
    """The fields of `DatasetConfig` that pixels depend on, each in its range."""

    size: int
    patch_size: int
    small_patch_size: int
    max_pixels: int
    format: str
    quality: int | None
    limit: int | None


def read_settings(config: Mapping[str, Any]) -> Settings:
    """The settings in a card.

    Raises:
        DatasetError: If one is missing, or none that a build takes.
    """
    image_format = config["format"]
    if image_format not in FORMATS:
        raise DatasetError(_message("format", image_format))
    return Settings(
        size=_integer(config, "size", MAX_SIZE),
        patch_size=_integer(config, "patch_size"),
        small_patch_size=_integer(config, "small_patch_size"),
        max_pixels=_integer(config, "max_pixels"),
        format=image_format,
        quality=_integer(config, "quality", 100) if image_format == "jpg" else None,
        limit=None if config.get("limit") is None else _integer(config, "limit"),
    )


def _integer(config: Mapping[str, Any], name: str, most: int | None = None) -> int:
    value = config.get(name)
    if type(value) is not int or value < 1 or (most is not None and value > most):
        raise DatasetError(_message(name, value))
    return value


def _message(name: str, value: object) -> str:
    return f"{INDEX}: config {name} is {value!r}, which no build takes"
