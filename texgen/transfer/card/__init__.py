"""The data set card, ``README.md``: metadata for the Hugging Face Hub, text, six textures.

A card follows from the data set, the licence that its publisher states, and the place alone, so
that two publishers get the same bytes.
"""

from texgen.transfer.card.card import Card, License, make_card, stated_license
from texgen.transfer.card.examples import DamagedExampleError
from texgen.transfer.card.update import CardUpdate, card_update

__all__ = [
    "Card",
    "CardUpdate",
    "DamagedExampleError",
    "License",
    "card_update",
    "make_card",
    "stated_license",
]
