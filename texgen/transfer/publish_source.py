"""OUT of a finished data set, as `texgen publish` reads it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from texgen.core.errors import ConfigError, DatasetError
from texgen.core.layout import DOWNLOAD_FINGERPRINT, INDEX
from texgen.dataset.index import FINISH_DOWNLOAD, DataFile, Index, parse_index
from texgen.dataset.reader import Dataset
from texgen.storage import Sink, scratch_folder
from texgen.storage.scratch import MachineScratch
from texgen.transfer.card import Card, DamagedExampleError, License, make_card
from texgen.transfer.fetch import fetch_file
from texgen.transfer.index_validation import check_index


@dataclass(frozen=True, slots=True)
class PublishSource:
    """OUT of a finished data set.

    Attributes:
        location: Path or URL of OUT.
        sink: OUT.
        scratch: Folder of this machine for the files of an OUT in a bucket; None for a folder.
    """

    location: str
    sink: Sink
    scratch: Path | None

    @contextlib.contextmanager
    def file(self, file: DataFile) -> Iterator[Path]:
        """Opens a context in which a file of the data set lies on this machine.

        Raises:
            DatasetError: If the file is known to be damaged.
            RemoteError: If the file cannot be fetched.
            StorageError: If this machine's folder cannot be written.
        """
        if self.scratch is None:
            yield Path(self.location, file.path)
            return
        with scratch_folder(self.scratch) as folder:
            part = folder / "file"
            try:
                fetch_file(self.sink.store, file, part, lambda _: None)
            except DatasetError as error:
                raise self.damaged(file.path) from error
            yield part

    def card(self, license: License, url: str) -> Card:
        """Returns the card of the data set; see `texgen.transfer.card.make_card`.

        Raises:
            DatasetError: If a texture that it shows, or a manifest, is damaged.
        """
        try:
            return make_card(Dataset(self.sink), license, url)
        except DamagedExampleError as error:
            raise self.damaged(error.path) from error

    def damaged(self, path: str) -> DatasetError:
        """Returns the error for a file that differs from the index."""
        return DatasetError(
            f"{self.sink.store.place(path)} is damaged: it differs from index.json, and was not "
            f"published; run `texgen verify {self.location}` to see how to repair it, then "
            "publish again"
        )


@contextlib.contextmanager
def open_publish_source(location: str, s3_endpoint: str | None) -> Iterator[PublishSource]:
    """Opens OUT at a path or URL.

    Raises:
        ConfigError: If the kind of place is not known.
    """
    scratch = MachineScratch(f"publish {location}", "publish")
    try:
        sink = Sink(location, s3_endpoint=s3_endpoint)
        is_local = sink.store.local_path() is not None
        yield PublishSource(location, sink, None if is_local else scratch.folder())
    finally:
        scratch.clear()


def read_finished(source: PublishSource) -> tuple[bytes, Index]:
    """Returns the index of OUT after checking that its files exist and have the right size.

    Raises:
        ConfigError: If OUT is not finished.
        DatasetError: If a file is missing or has another size.
        StorageError: If OUT cannot be read.
    """
    sizes = source.sink.list("")
    if INDEX not in sizes:
        hint = "run `texgen build` to finish it, or `texgen status` to see its progress"
        if DOWNLOAD_FINGERPRINT in sizes:
            hint = f"it is {FINISH_DOWNLOAD}"
        raise ConfigError(
            f"{source.location} is not a finished data set: it has no {INDEX}; {hint}"
        )
    data: bytes = source.sink.open(INDEX).read()
    index = parse_index(data)
    check_index(index)
    for file in index.files:
        if sizes.get(file.path) != file.bytes:
            raise source.damaged(file.path)
    return data, index
