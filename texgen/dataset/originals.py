"""Finds the images that the textures of a finished data set were made of in SRC."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from texgen.core.decode import MAX_PIXELS, decode
from texgen.core.errors import ImageError, SourceError, SourceReadError
from texgen.core.types import Pixels
from texgen.dataset.manifest import geometry_of
from texgen.source import Source, SourceSpec, open_source
from texgen.synthesis.patches import Patches, cut_patches


class OriginalImages:
    """Reads the images that textures were made of.

    Args:
        source: SRC, unchanged since the data set was built.
        max_pixels: Limit of the build; it decoded no image with more pixels.
    """

    def __init__(self, source: Source, max_pixels: int = MAX_PIXELS) -> None:
        self._source = source
        self._max_pixels = max_pixels

    def read(self, row: Mapping[str, Any]) -> tuple[Pixels, Patches]:
        """Returns the image and the patches of a manifest row that has a texture.

        Raises:
            SourceError: If the image is not in SRC, cannot be read, or has another size.
        """
        key, source = row["key"], row["source"]
        try:
            image = decode(self._source.read(self._source.find(key, source)), self._max_pixels)
        except (ImageError, SourceReadError) as error:
            raise SourceError(
                f"{source}: {error}; restore the image that the build read"
            ) from error
        boxes = geometry_of(row)
        height, width = image.shape[:2]
        if (width, height) != (boxes.width, boxes.height):
            raise SourceError(
                f"{source} has {width} x {height} px, in the build it had "
                f"{boxes.width} x {boxes.height}; name the SRC of the build"
            )
        return image, cut_patches(image, boxes)


def open_originals(
    location: str,
    config: Mapping[str, Any],
    endpoint: str | None = None,
    splits: Collection[str] = (),
) -> OriginalImages:
    """Opens SRC to read the images of a data set; see `SourceSpec.from_card` for the arguments.

    Raises:
        ConfigError: If SRC cannot be read.
    """
    max_pixels = config.get("max_pixels")
    # An index that was edited may hold any value.
    limit = max_pixels if isinstance(max_pixels, int) and max_pixels > 0 else MAX_PIXELS
    spec = SourceSpec.from_card(location, config, endpoint, splits)
    return OriginalImages(open_source(spec), limit)
