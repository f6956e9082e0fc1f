"""Puts a data set card together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from texgen.core.errors import ConfigError
from texgen.core.layout import CARD
from texgen.dataset.index import Index
from texgen.dataset.reader import Dataset
from texgen.transfer.card.examples import example_files
from texgen.transfer.card.metadata import front_matter
from texgen.transfer.card.text import card_text
from texgen.transfer.card.update import signed

_FRONT = re.compile(r"---\r?\n(.*?)\r?\n---\s*(?:\n|\Z)", re.DOTALL)
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}")
_LINK = re.compile(r"https?://\S+|[A-Za-z0-9][\w./-]*")
_IMAGENET_CLASS = re.compile(r"n[0-9]{8}")
OTHER = "other"


@dataclass(frozen=True, slots=True)
class License:
    """The licence that the publisher states.

    Attributes:
        id: Identifier as the Hub lists them, such as ``cc-by-4.0`` or ``other``; None if the
            publisher states none.
        name: Name of an ``other`` licence.
        link: URL, or path in the repository, of an ``other`` licence.

    Raises:
        ConfigError: If a value cannot be one, or name and link go with another identifier.
    """

    id: str | None = None
    name: str | None = None
    link: str | None = None

    def __post_init__(self) -> None:
        if self.id is not None and not _LICENSE.fullmatch(self.id):
            raise ConfigError(
                f"--license {self.id}: write an identifier as the Hub lists them "
                "(hf.co/docs/hub/repositories-licenses), such as cc-by-4.0, or other"
            )
        if self.id != OTHER and (self.name or self.link):
            raise ConfigError("--license-name and --license-link go with --license other")
        if self.link is not None and not _LINK.fullmatch(self.link):
            raise ConfigError(f"--license-link {self.link}: write a URL")


def stated_license(text: bytes, url: str) -> License:
    """Returns the licence that the metadata of a card state; without an identifier if none.

    Args:
        text: Bytes of ``README.md``.
        url: The place that has it, for the error.

    Raises:
        ConfigError: If the metadata cannot be read, or state one that texgen would not write.
    """
    unreadable = ConfigError(
        f"{url}: the metadata of README.md there may state a license, but texgen cannot read it: "
        "name the license with --license"
    )
    try:
        front = _FRONT.match(text.decode())
        data: Any = yaml.safe_load(front[1]) if front else {}
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise unreadable from error
    if data is not None and not isinstance(data, dict):
        raise unreadable
    values = [(data or {}).get(name) for name in ("license", "license_name", "license_link")]
    if not all(value is None or isinstance(value, str) for value in values):
        raise unreadable
    try:
        return License(*values)
    except ConfigError as error:
        raise unreadable from error


@dataclass(frozen=True, slots=True)
class Card:
    """A data set card.

    Attributes:
        text: Bytes of ``README.md``.
        images: Bytes of the example textures by path.
        is_imagenet: Whether the images are ImageNet's, by the names of the classes.
    """

    text: bytes
    images: Mapping[str, bytes]
    is_imagenet: bool

    @property
    def files(self) -> dict[str, bytes]:
        """All files by path, the text last."""
        return {**self.images, CARD: self.text}


def make_card(dataset: Dataset, license: License, url: str) -> Card:
    """Returns the card of a data set that is published at ``url``.

    Raises:
        DamagedExampleError: If a texture that it shows cannot be read.
        DatasetError: If a manifest cannot be read.
        StorageError: If the data set cannot be read.
    """
    index = dataset.index
    imagenet = is_imagenet(index)
    examples = example_files(dataset)
    head = front_matter(index, license, imagenet=imagenet)
    body = card_text(index, license, url, examples, imagenet=imagenet)
    images = {example.path: example.data for example in examples}
    return Card(signed(head + body), images, imagenet)


def is_imagenet(index: Index) -> bool:
    """Whether a split's classes are named as ImageNet's are, by WordNet's numbers alone."""
    named = (split.classes for split in index.splits.values() if split.classes)
    return any(all(map(_IMAGENET_CLASS.fullmatch, classes)) for classes in named)
