"""The photographs and patches that textures are made of."""

from __future__ import annotations

from collections.abc import Mapping

from texgen.core.errors import ImageError
from texgen.core.keys import image_key_of
from texgen.core.types import ImageEntry, Pixels
from texgen.source import Source
from texgen.source.decode import decode
from texgen.synthesis.patches import Patches, cut_patches, patch_geometry
from texgen.verify.manifests import ManifestRow
from texgen.verify.settings import Settings


def patches_of(image: Pixels, seed: int, settings: Settings) -> Patches:
    """The patches of a texture by the rule alone, whatever its row says."""
    height, width = image.shape[:2]
    boxes = patch_geometry(
        width,
        height,
        seed,
        patch_size=settings.patch_size,
        small_patch_size=settings.small_patch_size,
    )
    return cut_patches(image, boxes)


class DecodedOriginals:
    """Decoded photographs of SRC, one at a time.

    Args:
        source: SRC.
        settings: Of the data set.
        entries: Key to photograph.
    """

    def __init__(
        self, source: Source, settings: Settings, entries: Mapping[str, ImageEntry]
    ) -> None:
        self._source = source
        self._settings = settings
        self._entries = entries
        self._last: tuple[str, Pixels | ImageError] | None = None

    def entry(self, row: ManifestRow) -> ImageEntry | None:
        """The photograph of a row, where SRC has it."""
        # No patches follow from a seed that none can have; it is a fault of the manifest.
        if row["seed"] < 0:
            return None
        return self._entries.get(image_key_of(row["key"]))

    def pixels(self, entry: ImageEntry) -> Pixels | ImageError:
        """A photograph, or why it is none.

        Raises:
            SourceReadError: If its storage failed.
            SourceChangedError: If it changed during the check.
        """
        if self._last is None or self._last[0] != entry.key:
            self._last = (entry.key, self._decode(entry))
        return self._last[1]

    def _decode(self, entry: ImageEntry) -> Pixels | ImageError:
        try:
            return decode(self._source.read(entry), self._settings.max_pixels)
        except ImageError as error:
            return error
