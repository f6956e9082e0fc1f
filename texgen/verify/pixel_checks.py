"""Checks rows and textures against the images that they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from texgen.core.decode import decode
from texgen.core.errors import DatasetError, ImageError, SourceChangedError, SourceReadError
from texgen.core.keys import image_key_of
from texgen.core.types import Geometry, ImageEntry, Pixels
from texgen.dataset.manifest import PATCH_COLUMNS, ManifestRow, patch_columns
from texgen.source import Source
from texgen.synthesis.patches import Patches, draw_patches
from texgen.verify.findings import CheckCounter, FaultsByKind
from texgen.verify.textures import LOSSLESS, TextureSettings, decode_texture, foreign_pixels

_ACCESS_ERRORS = ("image_missing", "image_denied")
"""Codes of failures that say only how SRC was at the time: it may have been repaired since."""


@dataclass
class ShardInspection:
    """Decodes one shard's textures and compares them with their images.

    Attributes:
        path: Path of the shard.
        settings: Settings of the data set.
        counter: Counter of what is inspected.
        source: SRC; None decodes the textures only.
        entries: Images of the shard's rows in SRC, by key.
        faults: Faults of the shard, whatever SRC is.
        differences: Differences between the shard and SRC: either may be at fault.
        source_faults: Faults of SRC.
    """

    path: str
    settings: TextureSettings
    counter: CheckCounter
    source: Source | None
    entries: Mapping[str, ImageEntry]
    faults: FaultsByKind = field(default_factory=lambda: FaultsByKind("row"))
    differences: FaultsByKind = field(default_factory=lambda: FaultsByKind("row"))
    source_faults: FaultsByKind = field(default_factory=lambda: FaultsByKind("image", 20))
    _last: tuple[str, Pixels | ImageError] | None = None
    """Key and pixels of the last image: its further textures follow at once."""

    def entry(self, row: ManifestRow) -> ImageEntry | None:
        """Returns the image of a row, or None where SRC has none."""
        # A negative seed gives no patches; the manifest's own check reports it.
        if row["seed"] < 0:
            return None
        return self.entries.get(image_key_of(row["key"]))

    def check_texture(self, row: ManifestRow, data: bytes) -> None:
        """Checks a row and its encoded texture, whose bytes are those of the manifest."""
        texture = None
        try:
            texture = decode_texture(data, self.settings)
        except DatasetError as error:
            self.faults.add("texture", self._line(row, str(error)))
        image = self._image(row)
        if isinstance(image, ImageError):
            self._differ("image", row, f"has a texture, but its image {_unreadable(image)}")
        elif image is not None:
            patches = draw_patches(image, row["seed"], self.settings.rule)
            if self._is_placed(row, patches.boxes) and texture is not None:
                self._check_colours(row, patches, texture)
        self.counter.add(textures=1, decoded=texture is not None)

    def check_failed_row(self, row: ManifestRow) -> None:
        """Checks a row without a texture."""
        image = self._image(row)
        if image is None:
            return
        code = str(row["error"]).partition(":")[0]
        if isinstance(image, ImageError):
            if row["error"] != image.reason:
                fault = f"failed as {code}, but its image {_unreadable(image)}"
                self._differ("failure", row, fault)
            elif any(row[name] is not None for name in PATCH_COLUMNS):
                self._differ("size", row, "has patches, but no image")
        elif code.startswith("image_"):
            # An image that could not be accessed in the build may be accessible now.
            if code not in _ACCESS_ERRORS:
                self._differ("failure", row, f"failed as {code}, but its image can be read")
        else:
            self._is_placed(row, draw_patches(image, row["seed"], self.settings.rule).boxes)

    def _image(self, row: ManifestRow) -> Pixels | ImageError | None:
        """Returns the row's image; None if it cannot be compared, which is reported elsewhere."""
        entry = self.entry(row)
        if self.source is None or entry is None:
            return None
        self._check_origin(row, entry)
        try:
            image = self._pixels(self.source, entry)
        except (SourceReadError, SourceChangedError) as error:
            self.source_faults.add("read", f"SRC: {error}")
            return None
        # Further textures of the image may lie in another shard, so only the first one counts.
        self.counter.add(images=row["texture_index"] == 0)
        if not isinstance(image, ImageError) or image.code not in _ACCESS_ERRORS:
            return image
        if row["error"] != image.reason:
            fault = f"SRC/{entry.source}: cannot be read now; repair its permissions or link"
            self.source_faults.add("denied", fault)
            return None
        return image

    def _pixels(self, source: Source, entry: ImageEntry) -> Pixels | ImageError:
        """Returns the pixels of an image, or the error that a build records for it."""
        if self._last is None or self._last[0] != entry.key:
            image: Pixels | ImageError
            try:
                image = decode(source.read(entry), self.settings.max_pixels)
            except ImageError as error:
                image = error
            self._last = (entry.key, image)
        return self._last[1]

    def _check_origin(self, row: ManifestRow, entry: ImageEntry) -> None:
        in_row = (row["source"], row["label"], row["class"])
        in_src = (entry.source, entry.label, entry.class_name)
        if in_row != in_src:
            fault = f"is listed as made of {_origin(*in_row)}; SRC has {_origin(*in_src)}"
            self._differ("origin", row, fault)

    def _is_placed(self, row: ManifestRow, boxes: Geometry) -> bool:
        """Whether a row has the image's size and the patches that its seed gives."""
        if all(row[name] == number for name, number in patch_columns(boxes).items()):
            return True
        listed = f"{row['width']}x{row['height']} px"
        actual = f"{boxes.width}x{boxes.height} px"
        fault = f"is listed with {listed}" if listed != actual else "has its patches elsewhere"
        self._differ("size", row, f"{fault}; its image has {actual}")
        return False

    def _check_colours(self, row: ManifestRow, patches: Patches, texture: Pixels) -> None:
        if self.settings.format not in LOSSLESS:
            return
        if foreign := foreign_pixels(texture, (patches.center, patches.random)):
            share = f"{foreign} of its {texture.shape[0] * texture.shape[1]} pixels"
            self.counter.add(mismatches=1)
            self._differ("colours", row, f"is not made of its patches: {share} have other colours")

    def _differ(self, kind: str, row: ManifestRow, fault: str) -> None:
        self.differences.add(kind, self._line(row, fault))

    def _line(self, row: ManifestRow, fault: str) -> str:
        return f"{self.path}: {row['key']} {fault}"


def _origin(source: str, label: int | None, class_name: str | None) -> str:
    return f"{source}, label {label}, class {class_name}"


def _unreadable(error: ImageError) -> str:
    return f"cannot be read ({error.reason})"
