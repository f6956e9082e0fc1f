"""Gives the files of an OUT that is published as local files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from texgen.core.errors import DatasetError
from texgen.dataset.index import ManifestFile, ShardFile
from texgen.storage import Sink, place_of, scratch_folder
from texgen.storage.scratch import MachineScratch
from texgen.transfer.fetch import fetch_file


class PublishSource:
    """OUT of a finished data set.

    Args:
        location: Path or URL of OUT.
        s3_endpoint: URL of an S3-compatible store; None for the one that the environment names.
        scratch: Folder of this machine for the files of an OUT in a bucket.

    Attributes:
        location: Path or URL of OUT.
        sink: OUT.
    """

    def __init__(self, location: str, s3_endpoint: str | None, scratch: MachineScratch) -> None:
        self.location = location
        self.sink = Sink(location, s3_endpoint=s3_endpoint)
        is_local = self.sink.store.local_path() is not None
        self._scratch = None if is_local else scratch.folder()

    @contextlib.contextmanager
    def file(self, file: ManifestFile | ShardFile) -> Iterator[Path]:
        """Opens a context in which a file of the data set lies on this machine.

        Raises:
            DatasetError: If the file is known to be damaged.
            RemoteError: If the file cannot be fetched.
            StorageError: If this machine's folder cannot be written.
        """
        if self._scratch is None:
            yield Path(self.location, file.path)
            return
        with scratch_folder(self._scratch) as folder:
            part, store = folder / "file", self.sink.store
            try:
                fetch_file(store, file.path, file.bytes, file.sha256, part, lambda _: None)
            except DatasetError as error:
                raise damaged(self.location, file.path) from error
            yield part


@contextlib.contextmanager
def open_publish_source(location: str, s3_endpoint: str | None) -> Iterator[PublishSource]:
    """Opens OUT at a path or URL.

    Raises:
        ConfigError: If the kind of place is not known.
    """
    scratch = MachineScratch(f"publish {location}", "publish")
    try:
        yield PublishSource(location, s3_endpoint, scratch)
    finally:
        scratch.clear()


def damaged(location: str, path: str) -> DatasetError:
    """Returns the error for a file that differs from the index."""
    return DatasetError(
        f"{place_of(location, path)} is damaged: it differs from index.json, and was not "
        f"published; run `texgen verify {location}` to see how to repair it, then publish again"
    )
