"""What a data set is downloaded from: files by path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from texgen.core.errors import TexgenError

BLOCK = 1 << 20


class RemoteError(TexgenError):
    """A file cannot be fetched.

    Args:
        message: Names the file and what happened.
        again: Whether another try may succeed.
        after_s: How long the place asks to be left alone before, s.
    """

    def __init__(self, message: str, again: bool, after_s: float = 0) -> None:
        super().__init__(message, again, after_s)
        self.again, self.after_s = again, after_s

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Body:
    """A file, or the rest of one, as it comes.

    Attributes:
        offset: Byte with which it begins: 0 where the place sends whole files only.
        blocks: Its bytes.
    """

    offset: int
    blocks: Iterator[bytes]


class Remote(Protocol):
    """Files by path; nothing is known of them but what the index says."""

    def place(self, path: str) -> str:
        """Where a file is, for people: without what may be a secret."""
        ...

    def fetch(self, path: str, offset: int = 0) -> AbstractContextManager[Body]:
        """Opens a file.

        Args:
            path: Relative to the data set.
            offset: Byte to begin with, where the place can.

        Raises:
            RemoteError: If it cannot be had; while the body is read, too.
        """
        ...


def cut_off(place: str, offset: int) -> RemoteError:
    """The error of a file that has fewer bytes than the index says."""
    message = (
        f"{place} ends before byte {offset}, though the index says that there are more; "
        "tell whoever publishes it"
    )
    return RemoteError(message, again=False)
