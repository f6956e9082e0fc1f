"""Images of a folder with their textures, for training loops of any library."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from texgen.core import keys
from texgen.core.errors import ArgumentError, DatasetError
from texgen.core.text import pluralize
from texgen.dataset.random_access import TextureStore


class ImageFiles(Protocol):
    """What `TexturePairs` uses of a torchvision ``ImageFolder``.

    Attributes:
        root: Folder of the split.
        samples: Path and label of each image.
        loader: Opens an image.
        transform: Applied to each image; None keeps it.
        target_transform: Applied to each label; None keeps it.
    """

    root: Any
    samples: Sequence[tuple[str, int]]
    loader: Callable[[str], Any]
    transform: Callable[[Any], Any] | None
    target_transform: Callable[[Any], Any] | None


def image_key(path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> str:
    """Returns the key that the textures of an image file have.

    Args:
        path: Path of the image, such as ``imagenet/train/n01440764/n01440764_10026.JPEG``.
        root: Folder of the split, such as ``imagenet/train``; None if ``path`` is relative to it.

    Raises:
        ArgumentError: If ``path`` is not below ``root``, or is absolute without a root.
    """
    # `Path` would take several times as long for each of a million images.
    name, folder = os.path.normpath(path), os.path.normpath(root or "")
    if root is not None and name.startswith("/") != folder.startswith("/"):
        name, folder = os.path.abspath(name), os.path.abspath(folder)  # noqa: PTH100
    if root is None and name.startswith("/"):
        raise ArgumentError(f"{name} is absolute; pass the folder of the split as root")
    below = "" if folder == "." else folder.rstrip("/") + "/"
    key = name.removeprefix(below)
    if not name.startswith(below) or key.partition("/")[0] == "..":
        raise ArgumentError(f"{name} is not below the root {folder}; pass the folder of the split")
    return keys.image_key(os.fsencode(key))


class TexturePairs:
    """A torchvision ``ImageFolder`` whose items come with a texture of the image.

    An item is ``(image, texture, label)``. An image with several textures gets a random one of
    them each time, by Python's `random`, which torch seeds in each process of a `DataLoader`. The
    pairs may be passed to forked or spawned workers.

    Args:
        images: ``ImageFolder`` of the split from which the textures were made.
        textures: Store of the textures, or OUT, whose split ``train`` is then opened.
        transform: Applied to each texture; None applies the ``ImageFolder``'s own ``transform``.
        pair_transform: Called with an image and its texture, both PIL images, in place of both
            transforms; returns what the item has in their place. `texgen.PairedViews` gives
            both the same crops and colours.
        missing: What to do about images without a texture: ``error``, or ``skip`` to leave them
            out.

    Attributes:
        skipped: Number of images that were left out.

    Raises:
        ArgumentError: If ``images`` lists no paths, or ``missing`` or both transforms contradict.
        DatasetError: If an image has no texture and ``missing`` is ``error``, if none has one, or
            if two files have one key.
    """

    def __init__(
        self,
        images: ImageFiles,
        textures: TextureStore | str | Path,
        *,
        transform: Callable[[Any], Any] | None = None,
        pair_transform: Callable[[Any, Any], tuple[Any, Any]] | None = None,
        missing: str = "error",
    ) -> None:
        if lacking := [name for name in ImageFiles.__annotations__ if not hasattr(images, name)]:
            raise ArgumentError(
                f"TexturePairs needs the paths of images, and {type(images).__name__} lacks "
                f"{', '.join(lacking)}: pass a torchvision ImageFolder, and take a Subset of the "
                "pairs"
            )
        if missing not in ("error", "skip"):
            raise ArgumentError(f"missing={missing!r}: expected 'error' or 'skip'")
        if transform is not None and pair_transform is not None:
            raise ArgumentError("pass transform or pair_transform, not both")
        self.images = images
        self.store = textures if isinstance(textures, TextureStore) else TextureStore(textures)
        self._transform = transform
        self._pair_transform = pair_transform
        # torchvision's ImageNet sets its root to a folder above that of the split.
        self._root = str(getattr(images, "split_folder", images.root))
        self._positions = self._textured_positions(missing)
        self.skipped = len(images.samples) - len(self._positions)

    def __len__(self) -> int:
        return len(self._positions)

    def key(self, position: int) -> str:
        """Returns the key of an image by its position in the pairs.

        Raises:
            IndexError: If there is no such position.
        """
        return image_key(self.images.samples[self._in_images(position)][0], self._root)

    def __getitem__(self, position: int) -> tuple[Any, Any, Any]:
        """Returns image, texture and label by position in the pairs.

        Raises:
            IndexError: If there is no such position.
            DatasetError: If the texture cannot be read.
        """
        which = self._in_images(position)
        path, label = self.images.samples[which]
        textures = self.store.positions(image_key(path, self._root))
        texture: Any = self.store.image(random.choice(textures))  # noqa: S311
        if self._pair_transform is not None:
            image, texture = self._pair_transform(self.images.loader(path), texture)
        else:
            image = self._transformed(self.images.loader(path), self.images.transform)
            texture = self._transformed(texture, self._transform or self.images.transform)
        return image, texture, self._transformed(label, self.images.target_transform)

    def _in_images(self, position: int) -> int:
        return int(self._positions[position])

    @staticmethod
    def _transformed(value: Any, transform: Callable[[Any], Any] | None) -> Any:  # noqa: ANN401
        return value if transform is None else transform(value)

    def _textured_positions(self, missing: str) -> NDArray[np.int64]:
        own = [image_key(path, self._root) for path, _ in self.images.samples]
        self._check_distinct(own)
        textured = self.store.textured(own)
        count = int((~textured).sum())
        if own and not textured.any():
            theirs = f", while the first there is {self.store.key(0)!r}" if len(self.store) else ""
            raise DatasetError(
                f"{self.store.location}: no image of {self._root} has a texture in the split "
                f"{self.store.split!r}; the key of the first image is {own[0]!r}{theirs}; the "
                "ImageFolder's root must be the folder of the split"
            )
        if count and missing == "error":
            first = own[int(np.argmin(textured))]
            raise DatasetError(
                f"{self.store.location}: {pluralize(count, 'image')} of {self._root} without a "
                f"texture, the first is {first!r}; build it, or pass missing='skip'"
            )
        return np.flatnonzero(textured)

    def _check_distinct(self, own: Sequence[str]) -> None:
        """Refuses two files with one key, such as ``a.jpg`` and ``a.png``; a build does too.

        One file may be listed several times, to be drawn more often.
        """
        if len(set(own)) == len(own):
            return
        first: dict[str, str] = {}
        for key, (path, _) in zip(own, self.images.samples, strict=True):
            if first.setdefault(key, path) != path:
                raise DatasetError(
                    f"{first[key]} and {path} have one key, {key!r}, and only one of them can have "
                    "its texture; rename or remove one"
                )
