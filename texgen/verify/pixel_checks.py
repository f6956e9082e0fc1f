"""Rows and textures against the photographs that they are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from texgen.core.errors import DatasetError, ImageError, SourceChangedError, SourceReadError
from texgen.core.keys import image_key_of
from texgen.core.types import Geometry, ImageEntry, Pixels
from texgen.dataset.index import ShardFile
from texgen.dataset.manifest import PATCH_COLUMNS, ManifestRow, patch_columns
from texgen.source import Source
from texgen.source.decode import decode
from texgen.synthesis.patches import Patches, cut_patches, patch_geometry
from texgen.verify.findings import CheckCounter, Kinds
from texgen.verify.textures import LOSSLESS, Settings, decode_texture, foreign_pixels

_OF_THE_PLACE = ("image_missing", "image_denied")
"""Codes that say something about SRC at the time: it may have been mended since."""


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


class DeepInspection:
    """Looks into one shard's textures; an `Inspection`.

    Args:
        file: The shard.
        settings: Of the data set.
        photographs: Of its rows; None without SRC.
        tally: Counts what is looked at.
    """

    def __init__(
        self,
        file: ShardFile,
        settings: Settings,
        photographs: DecodedOriginals | None,
        tally: CheckCounter,
    ) -> None:
        self._path = file.path
        self._settings = settings
        self._photographs = photographs
        self._tally = tally
        self._kinds = Kinds("row")
        self._differences = Kinds("row")
        self._source_kinds = Kinds("photograph", 20)

    def texture(self, row: ManifestRow, data: bytes) -> None:
        """See `Inspection.texture`."""
        texture = self._decoded(row, data)
        image = self._image(row)
        if isinstance(image, ImageError):
            self._differ("photograph", row, f"has a texture, but its photograph {_why(image)}")
        elif image is not None:
            patches = patches_of(image, row["seed"], self._settings)
            if self._is_placed(row, patches.boxes) and texture is not None:
                self._check_colours(row, patches, texture)
        self._tally.add(textures=1, decoded=texture is not None)

    def _decoded(self, row: ManifestRow, data: bytes) -> Pixels | None:
        try:
            return decode_texture(data, self._settings)
        except DatasetError as error:
            self._kinds.add("texture", self._line(row, str(error)))
            return None

    def failed(self, row: ManifestRow) -> None:
        """See `Inspection.failed`."""
        image = self._image(row)
        if image is None:
            return
        code = str(row["error"]).partition(":")[0]
        if isinstance(image, ImageError):
            if row["error"] != image.reason:
                self._differ("failure", row, f"failed as {code}, but its photograph {_why(image)}")
            elif any(row[name] is not None for name in PATCH_COLUMNS):
                self._differ("size", row, "has patches, but no photograph")
        elif code.startswith("image_"):
            # What could not be reached then may be reached now.
            if code not in _OF_THE_PLACE:
                self._differ("failure", row, f"failed as {code}, but its photograph can be read")
        else:
            self._is_placed(row, patches_of(image, row["seed"], self._settings).boxes)

    def _image(self, row: ManifestRow) -> Pixels | ImageError | None:
        """The row's photograph; None where it cannot be compared, which is told elsewhere."""
        if self._photographs is None or (entry := self._photographs.entry(row)) is None:
            return None
        self._check_origin(row, entry)
        try:
            image = self._photographs.pixels(entry)
        except (SourceReadError, SourceChangedError) as error:
            self._source_kinds.add("read", f"SRC: {error}")
            return None
        # Its further textures may lie in another shard.
        self._tally.add(photographs=row["texture_index"] == 0)
        if not isinstance(image, ImageError) or image.code not in _OF_THE_PLACE:
            return image
        if row["error"] != image.reason:
            what = "cannot be read now; mend its permissions or link"
            self._source_kinds.add("denied", f"SRC/{entry.source}: {what}")
            return None
        return image

    def _check_origin(self, row: ManifestRow, entry: ImageEntry) -> None:
        said = (row["source"], row["label"], row["class"])
        found = (entry.source, entry.label, entry.class_name)
        if said != found:
            self._differ(
                "origin", row, f"is said to be of {_origin(*said)}; SRC has {_origin(*found)}"
            )

    def _is_placed(self, row: ManifestRow, boxes: Geometry) -> bool:
        """Whether a row has the photograph's size and the patches that its seed gives."""
        if all(row[name] == number for name, number in patch_columns(boxes).items()):
            return True
        said = f"{row['width']}x{row['height']} px"
        found = f"{boxes.width}x{boxes.height} px"
        what = f"is said to be of {said}" if said != found else "has its patches elsewhere"
        self._differ("size", row, f"{what}; its photograph has {found}")
        return False

    def _check_colours(self, row: ManifestRow, patches: Patches, texture: Pixels) -> None:
        if self._settings.format not in LOSSLESS:
            return
        if foreign := foreign_pixels(texture, (patches.center, patches.random)):
            share = f"{foreign} of its {texture.shape[0] * texture.shape[1]} pixels"
            self._tally.add(foreign=1)
            self._differ("colours", row, f"is not made of its patches: {share} have other colours")

    def _differ(self, kind: str, row: ManifestRow, what: str) -> None:
        self._differences.add(kind, self._line(row, what))

    def _line(self, row: ManifestRow, what: str) -> str:
        return f"{self._path}: {row['key']} {what}"

    def faults(self) -> Iterator[str]:
        """See `Inspection.faults`."""
        return self._kinds.lines()

    def differences(self) -> Iterator[str]:
        """See `Inspection.differences`."""
        return self._differences.lines()

    def source_faults(self) -> Iterator[str]:
        """See `Inspection.source_faults`."""
        return self._source_kinds.lines()


def _origin(source: str, label: int | None, class_name: str | None) -> str:
    return f"{source}, label {label}, class {class_name}"


def _why(error: ImageError) -> str:
    return f"cannot be read ({error.reason})"
