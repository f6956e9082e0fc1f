"""The photographs of a finished data set, found again in SRC by their manifest rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from texgen.core.errors import ImageError, SourceError, SourceReadError
from texgen.core.types import Pixels
from texgen.dataset.manifest import geometry_of
from texgen.source import Source, SourceSpec, open_source
from texgen.source.decode import MAX_PIXELS, decode
from texgen.synthesis.patches import Patches, cut_patches


class OriginalImages:
    """Reads the photographs that textures were made of.

    Args:
        source: SRC, as it was when the data set was built.
        max_pixels: Of the build; a photograph above it was never decoded.
    """

    def __init__(self, source: Source, max_pixels: int = MAX_PIXELS) -> None:
        self._source = source
        self._max_pixels = max_pixels

    def read(self, row: Mapping[str, Any]) -> tuple[Pixels, Patches]:
        """Photograph and patches of a row that has a texture.

        Raises:
            SourceError: If the photograph is not in SRC, cannot be read, or is another one.
        """
        key, source = row["key"], row["source"]
        try:
            image = decode(self._source.read(self._source.find(key, source)), self._max_pixels)
        except (ImageError, SourceReadError) as error:
            message = f"{source}: {error}; put the photograph of the build back"
            raise SourceError(message) from error
        boxes = geometry_of(row)
        height, width = image.shape[:2]
        if (width, height) != (boxes.width, boxes.height):
            message = (
                f"{source} has {width} x {height} px, the photograph of the build had "
                f"{boxes.width} x {boxes.height}; name the SRC of the build"
            )
            raise SourceError(message)
        return image, cut_patches(image, boxes)


def open_originals(
    location: str,
    config: Mapping[str, Any],
    endpoint: str | None = None,
    splits: Collection[str] = (),
) -> OriginalImages:
    """The photographs of a data set in SRC.

    Args:
        location: SRC.
        config: In the data set's card.
        endpoint: See `SourceSpec`.
        splits: See `SourceSpec.of_card`.

    Raises:
        ConfigError: If SRC cannot be read.
    """
    most = config.get("max_pixels")
    # A card that was edited may say anything.
    limit = most if isinstance(most, int) and most > 0 else MAX_PIXELS
    spec = SourceSpec.of_card(location, config, endpoint, splits)
    return OriginalImages(open_source(spec), limit)
