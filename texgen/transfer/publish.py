"""`texgen publish`: copies a finished data set to a bucket."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from texgen.core.errors import ConfigError, DatasetError, StorageError
from texgen.core.layout import DOWNLOAD_FINGERPRINT, INDEX
from texgen.dataset.index import FINISH_DOWNLOAD, DataFile, Index, parse_index
from texgen.storage import Sink, scratch_folder, storage_errors
from texgen.storage.errors import WrongBytesError
from texgen.storage.scratch import MachineScratch
from texgen.storage.sink import OWN_FILES
from texgen.transfer.byte_counter import ByteCounter, OnTransferProgress, transfer_files
from texgen.transfer.fetch import fetch_file
from texgen.transfer.index_validation import check_index
from texgen.transfer.publish_target import PublishTarget

_PATIENCE_S = 5.0
"""Seconds after an error in which other uploads may finish; then they are discarded, and no other
upload begins."""


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


@dataclass(frozen=True, slots=True)
class PublishSummary:
    """Result of publishing.

    Attributes:
        files: Number of files of the data set in the bucket, without the index.
        bytes: Bytes of these files.
        sent: Bytes sent in this run.
        samples: Number of textures in these files.
    """

    files: int
    bytes: int
    sent: int
    samples: int


def publish(
    source: PublishSource, sink: Sink, workers: int, on_progress: OnTransferProgress
) -> PublishSummary:
    """Sends the files that the bucket lacks; the index is written last.

    Every file is checked against the SHA-256 in the index as it is sent. Files in the bucket are
    never overwritten, except for the index of a partial data set when more of it is published.

    Raises:
        ConfigError: If OUT is not finished, or the destination holds something else.
        DatasetError: If a file of OUT differs from the index.
        StorageError: If OUT cannot be read, or the bucket cannot be written.
    """
    data, index = _read_finished(source)
    target = PublishTarget(sink, data, index)
    in_place = target.in_place()
    missing = [file for file in index.files if file.path not in in_place]
    total = sum(file.bytes for file in index.files)
    counter = ByteCounter(total, total - sum(file.bytes for file in missing), on_progress)
    done_before = counter.done
    if missing or not target.has_this_index:
        with sink.lock(), _without_unfinished_uploads(sink):
            _send_all(source, target, missing, workers, counter)
            target.send(data, INDEX, hashlib.sha256(data).hexdigest(), replace=target.has_index)
            for path in OWN_FILES:
                # Downloads do not need them; without the permission to delete they stay.
                with contextlib.suppress(StorageError):
                    sink.remove(path)
    return PublishSummary(len(index.files), total, counter.done - done_before, index.samples)


def _read_finished(source: PublishSource) -> tuple[bytes, Index]:
    """Returns the index of OUT after checking that its files exist and have the right size."""
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


@contextlib.contextmanager
def _without_unfinished_uploads(sink: Sink) -> Iterator[None]:
    """Discards the parts of unfinished uploads, of a killed run before and of this run after.

    Even a run without errors may leave some: if the answer to a request is lost, its upload is
    begun a second time.
    """
    sink.store.discard_uploads()
    try:
        yield
    except BaseException:
        # After an error the user must not wait for a store that may not answer.
        sink.store.discard_uploads(retries=False)
        raise
    sink.store.discard_uploads()


def _send_all(
    source: PublishSource,
    target: PublishTarget,
    missing: Sequence[DataFile],
    workers: int,
    counter: ByteCounter,
) -> None:
    def send(file: DataFile) -> None:
        with source.file(file) as local, storage_errors("read", local):
            try:
                target.send(local, file.path, file.sha256)
            except WrongBytesError as error:
                raise source.damaged(file.path) from error
        counter.add(file.bytes)

    transfer_files(send, missing, workers, counter, patience_s=_PATIENCE_S)
