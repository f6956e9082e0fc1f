"""`texgen publish`: copies a finished data set and its card to a bucket or a folder."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from texgen.core.errors import ConfigError, StorageError
from texgen.core.layout import CARD, CARD_IMAGES, INDEX
from texgen.dataset.index import DataFile
from texgen.storage import Sink, storage_errors
from texgen.storage.errors import WrongBytesError
from texgen.storage.sink import OWN_FILES
from texgen.transfer.byte_counter import ByteCounter, OnTransferProgress, transfer_files
from texgen.transfer.card import License
from texgen.transfer.download import DownloadRequest, download
from texgen.transfer.publish_card import PlacedCard, card_state, kept_license
from texgen.transfer.publish_source import PublishSource, read_finished
from texgen.transfer.publish_target import PublishTarget

_PATIENCE_S = 5.0
"""Seconds after an error in which other uploads may finish; then they are discarded, and no other
upload begins."""


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """Options of a publication.

    Attributes:
        license: What the publisher says of the rights; without an identifier those stay that the
            card of a bucket or folder states.
        replace_card: Whether a ``README.md`` that a person has edited is replaced.
        workers: Number of files sent at once.
    """

    license: License = field(default_factory=License)
    replace_card: bool = False
    workers: int = 8


@dataclass(frozen=True, slots=True)
class PublishSummary:
    """Result of publishing.

    Attributes:
        files: Number of files of the data set at its place, without the index and the card.
        bytes: Bytes of these files.
        sent: Bytes sent in this run.
        samples: Number of textures in these files.
        card: ``written``, ``unchanged``, or ``kept`` if the place has a card that was edited.
        is_imagenet: Whether the images are ImageNet's, by the names of their classes.
        kept_license: Identifier of the licence that stays because the publisher stated none; None
            if the publisher did, or none was there.
    """

    files: int
    bytes: int
    sent: int
    samples: int
    card: str
    is_imagenet: bool
    kept_license: str | None = None


def publish(
    source: PublishSource, sink: Sink, request: PublishRequest, on_progress: OnTransferProgress
) -> PublishSummary:
    """Sends the files that the bucket lacks, and the card; the index is written last.

    Every file is checked against the SHA-256 in the index as it is sent. Files in the bucket are
    never overwritten, except for the card, if nobody has edited it, and the index of a partial
    data set when more of it is published.

    Raises:
        ConfigError: If OUT is not finished, or the destination holds something else.
        DatasetError: If a file of OUT differs from the index.
        StorageError: If OUT cannot be read, or the bucket cannot be written.
    """
    data, index = read_finished(source)
    target = PublishTarget(sink, data, index)
    in_place = target.in_place()
    placed = PlacedCard(sink, replace=request.replace_card)
    license = placed.license(request.license)
    card = source.card(license, sink.url)
    update = placed.update(card)
    missing = [file for file in index.files if file.path not in in_place]
    total = sum(file.bytes for file in index.files)
    counter = ByteCounter(total, total - sum(file.bytes for file in missing), on_progress)
    done_before = counter.done
    if missing or update.files or not target.has_this_index:
        with sink.lock(), _without_unfinished_uploads(sink):
            _send_all(source, target, sink, missing, request.workers, counter)
            for path, content in {**update.files, INDEX: data}.items():
                # What was not there when the place was looked at is somebody else's.
                digest, there = hashlib.sha256(content).hexdigest(), path in target.sizes
                with target.conflicts(path):
                    sink.send(content, path, digest, replace=there)
            for path in OWN_FILES:
                # Downloads do not need them; without the permission to delete they stay.
                with contextlib.suppress(StorageError):
                    sink.remove(path)
    sent = counter.done - done_before
    return PublishSummary(
        len(index.files), total, sent, index.samples, card_state(update), card.is_imagenet,
        kept_license(request.license, license),
    )  # fmt: skip


def publish_to_folder(
    source: PublishSource, folder: Path, request: PublishRequest, on_progress: OnTransferProgress
) -> PublishSummary:
    """Copies the data set to a folder as `texgen.transfer.download.download` does, with its card.

    Raises:
        ConfigError: If OUT is not finished, or the folder holds something else.
        DatasetError: If a file of OUT differs from the index.
        RemoteError: If OUT cannot be read.
        StorageError: If the folder cannot be written.
    """
    read_finished(source)
    _check_card_places(folder)
    there = PlacedCard(Sink(folder), replace=request.replace_card)
    license = there.license(request.license)
    card = source.card(license, _name_for_others(folder))
    state = ""

    def write_card(sink: Sink) -> None:
        nonlocal state
        update = PlacedCard(sink, replace=request.replace_card).update(card)
        for path, content in update.files.items():
            sink.write(path, content)
        state = card_state(update)

    wanted = DownloadRequest(folder, workers=request.workers)
    done = download(source.sink.store, wanted, on_progress, before_index=write_card)
    return PublishSummary(
        done.files, done.bytes, done.fetched, done.samples, state, card.is_imagenet,
        kept_license(request.license, license),
    )  # fmt: skip


def _name_for_others(folder: Path) -> str:
    """Returns the name by which a card calls its folder, which others mount somewhere else."""
    name = folder.resolve().name or "."
    return f"./{name}" if name.startswith("-") else name


def _check_card_places(folder: Path) -> None:
    """Refuses a folder where the card cannot be written, before anything is copied to it."""
    images, text = folder / CARD_IMAGES, folder / CARD
    if images.is_symlink():
        raise ConfigError(
            f"{images} is a link, and publish does not follow links; name another folder"
        )
    if text.is_dir() or (text.is_symlink() and not text.exists()):
        raise ConfigError(f"{text} is a folder or a link to nothing; move it away")


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
    sink: Sink,
    missing: Sequence[DataFile],
    workers: int,
    counter: ByteCounter,
) -> None:
    def send(file: DataFile) -> None:
        with source.file(file) as local, storage_errors("read", local):
            try:
                with target.conflicts(file.path):
                    sink.send(local, file.path, file.sha256)
            except WrongBytesError as error:
                raise source.damaged(file.path) from error
        counter.add(file.bytes)

    transfer_files(send, missing, workers, counter, patience_s=_PATIENCE_S)
