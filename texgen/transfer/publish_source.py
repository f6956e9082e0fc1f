"""Gives the files of an OUT that is published as local files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from texgen.core.errors import DatasetError
from texgen.dataset.index import ManifestFile, ShardFile
from texgen.storage import Sink, open_sink, place_of, scratch_folder
from texgen.storage.s3.address import SCHEME
from texgen.storage.s3.remote import BucketRemote
from texgen.storage.scratch import RemoteScratch
from texgen.transfer.fetch import fetch_file


class PublishSource(Protocol):
    """OUT of a finished data set.

    Attributes:
        location: Path or URL of OUT.
        sink: OUT.
    """

    location: str
    sink: Sink

    def file(self, file: ManifestFile | ShardFile) -> AbstractContextManager[Path]:
        """Opens a context in which a file of the data set lies on this machine.

        Raises:
            DatasetError: If the file is known to be damaged.
            StorageError: If the file cannot be read.
        """
        ...


class LocalPublishSource:
    """A folder; see `PublishSource`."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.sink = open_sink(location)

    @contextlib.contextmanager
    def file(self, file: ManifestFile | ShardFile) -> Iterator[Path]:
        """See `PublishSource.file`."""
        yield Path(self.location, file.path)


class BucketPublishSource:
    """A bucket, whose files come to this machine one by one; see `PublishSource`."""

    def __init__(self, location: str, endpoint: str | None, scratch: Path) -> None:
        self.location = location
        self.sink = open_sink(location, s3_endpoint=endpoint)
        self._remote = BucketRemote(location, endpoint)
        self._scratch = scratch

    @contextlib.contextmanager
    def file(self, file: ManifestFile | ShardFile) -> Iterator[Path]:
        """See `PublishSource.file`."""
        with scratch_folder(self._scratch) as folder:
            part = folder / "file"
            try:
                fetch_file(self._remote, file.path, file.bytes, file.sha256, part, lambda _: None)
            except DatasetError as error:
                raise damaged(self.location, file.path) from error
            yield part


@contextlib.contextmanager
def open_publish_source(location: str, s3_endpoint: str | None) -> Iterator[PublishSource]:
    """Opens OUT at a path or URL.

    Raises:
        ConfigError: If the kind of place is not known.
    """
    if not location.startswith(SCHEME):
        yield LocalPublishSource(location)
        return
    scratch = RemoteScratch(f"publish {location}", "publish")
    try:
        yield BucketPublishSource(location, s3_endpoint, scratch.folder())
    finally:
        scratch.clear()


def damaged(location: str, path: str) -> DatasetError:
    """Returns the error for a file that differs from the index."""
    return DatasetError(
        f"{place_of(location, path)} is damaged: it differs from index.json, and was not "
        f"published; run `texgen verify {location}` to see how to repair it, then publish again"
    )
