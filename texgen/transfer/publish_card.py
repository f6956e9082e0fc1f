"""The card that a place has when a data set is published to it, and what is done with it."""

from __future__ import annotations

from texgen.core.layout import CARD
from texgen.transfer.card import Card, CardUpdate, License, card_update, stated_license
from texgen.transfer.card.update import is_edited
from texgen.transfer.publish_target import PublishedFiles


class PlacedCard:
    """The ``README.md`` of a place and the textures that it shows.

    Args:
        files: The place.
        replace: Whether a text that a person has edited is replaced.

    Raises:
        StorageError: If the place cannot be read.
    """

    def __init__(self, files: PublishedFiles, *, replace: bool) -> None:
        self._files = files
        self._replace = replace
        self._paths = files.list("")
        self._text: bytes | None = files.open(CARD).read() if CARD in self._paths else None

    def license(self, stated: License) -> License:
        """Returns the licence of the next card: what its publisher states, else what is there.

        Raises:
            ConfigError: If the publisher states none, and what is there cannot be read.
        """
        text = self._text
        stays = text is not None and is_edited(text) and not self._replace
        if stated.id is not None or text is None or stays:
            return stated
        return stated_license(text, self._files.url)

    def update(self, card: Card) -> CardUpdate:
        """Compares a card with what is there; see `card_update`."""
        there = {path for path in card.images if path in self._paths}
        if self._text == card.text and len(there) == len(card.images):
            # The text is written after the textures.
            return CardUpdate()
        sums = {path: self._files.sha256_of(path) for path in there}
        return card_update(card.files, self._text, sums, replace=self._replace)


def card_state(update: CardUpdate) -> str:
    """Returns `texgen.transfer.publish.PublishSummary.card`."""
    return "kept" if update.kept else "written" if update.files else "unchanged"


def kept_license(stated: License, license: License) -> str | None:
    """Returns `texgen.transfer.publish.PublishSummary.kept_license`."""
    return license.id if stated.id is None else None
