"""`texgen publish`: a finished data set to a bucket."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from texgen.core.errors import ConfigError, StorageError
from texgen.core.layout import DOWNLOAD_FINGERPRINT, INDEX
from texgen.dataset.index import FINISH_DOWNLOAD, Index, ManifestFile, ShardFile, parse_index
from texgen.storage import storage_errors
from texgen.storage.s3.errors import WrongBytesError
from texgen.storage.s3.sink import OWN_FILES, S3Sink
from texgen.transfer.byte_counter import ByteCounter, OnTransferProgress, transfer_files
from texgen.transfer.index_validation import check_index
from texgen.transfer.publish_source import PublishSource, damaged
from texgen.transfer.publish_target import Target

_PATIENCE_S = 5.0
"""Seconds in which files on their way may arrive after another's error: what has begun by then is
thrown away, and nothing begins later."""


@dataclass(frozen=True, slots=True)
class PublishSummary:
    """What a publication has brought.

    Attributes:
        files: Files of the data set that are in the bucket now, but for the index.
        bytes: Of all of them.
        sent: Bytes that were sent in this run.
        samples: Textures in them.
    """

    files: int
    bytes: int
    sent: int
    samples: int


def publish(
    origin: PublishSource, sink: S3Sink, workers: int, tell: OnTransferProgress
) -> PublishSummary:
    """Sends what is not there yet; the index is written last.

    Every file is checked against the SHA-256 in the index as it is sent. What is there is
    never written over, but for the index of a part that becomes more of the data set.

    Args:
        origin: A finished OUT.
        sink: Where it goes.
        workers: Files that are sent side by side.
        tell: See `OnTransferProgress`.

    Raises:
        ConfigError: If OUT is not finished, or something else is there already.
        DatasetError: If a file of OUT is not what the index says.
        StorageError: If OUT cannot be read, or the bucket not be written.
    """
    data, index = _finished(origin)
    target = Target(sink, data, index)
    in_place = target.in_place()
    missing = [file for file in index.files if file.path not in in_place]
    total = sum(file.bytes for file in index.files)
    counter = ByteCounter(total, total - sum(file.bytes for file in missing), tell)
    begun = counter.done
    if missing or not target.has_this_index:
        with sink.lock(), _without_unfinished_uploads(sink):
            _send_all(origin, target, missing, workers, counter)
            target.send(data, INDEX, hashlib.sha256(data).hexdigest(), replace=target.has_index)
            for path in OWN_FILES:
                # Nobody who downloads has a use for them; who may not delete leaves them.
                with contextlib.suppress(StorageError):
                    sink.remove(path)
    return PublishSummary(len(index.files), total, counter.done - begun, index.samples)


def _finished(origin: PublishSource) -> tuple[bytes, Index]:
    """The index of OUT, whose files are there and as large as it says."""
    there = origin.sink.list("")
    if INDEX not in there:
        finish = "`texgen build` finishes it, and `texgen status` says how far it is"
        if DOWNLOAD_FINGERPRINT in there:
            finish = f"it is {FINISH_DOWNLOAD}"
        message = f"{origin.location} is no finished data set: it has no {INDEX}; {finish}"
        raise ConfigError(message)
    data: bytes = origin.sink.open(INDEX).read()
    index = parse_index(data)
    check_index(index)
    for file in index.files:
        if there.get(file.path) != file.bytes:
            raise damaged(origin.location, file.path)
    return data, index


@contextlib.contextmanager
def _without_unfinished_uploads(sink: S3Sink) -> Iterator[None]:
    """Throws away parts of large files: what a killed run left, and what this one leaves.

    It leaves some even where all is well: of an upload that was begun twice, since the
    answer to the first request was lost.
    """
    sink.abort_uploads()
    try:
        yield
    except BaseException:
        # Whoever has just failed need not wait for a store that does not answer.
        sink.abort_uploads(attempts=1)
        raise
    sink.abort_uploads()


def _send_all(
    origin: PublishSource,
    target: Target,
    missing: Sequence[ManifestFile | ShardFile],
    workers: int,
    counter: ByteCounter,
) -> None:
    def send(file: ManifestFile | ShardFile) -> None:
        with origin.file(file) as local, storage_errors("read", local):
            try:
                target.send(local, file.path, file.sha256)
            except WrongBytesError as error:
                raise damaged(origin.location, file.path) from error
        counter.add(file.bytes)

    transfer_files(send, missing, workers, counter, patience_s=_PATIENCE_S)
