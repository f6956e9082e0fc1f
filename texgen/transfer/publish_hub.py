"""`texgen publish` to a repository of the Hugging Face Hub."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from texgen.core.concurrency import ordered_map
from texgen.core.layout import INDEX
from texgen.core.text import pluralize
from texgen.dataset.index import DataFile, Index
from texgen.storage import storage_errors
from texgen.storage.errors import ConditionFailedError, StoreError
from texgen.storage.hub.client import PAUSES_S, pause
from texgen.storage.hub.repo import HubRepo
from texgen.transfer.byte_counter import ByteCounter, OnTransferProgress
from texgen.transfer.card import Card, CardUpdate
from texgen.transfer.publish import PublishRequest, PublishSummary
from texgen.transfer.publish_card import PlacedCard, card_state
from texgen.transfer.publish_source import PublishSource, read_finished
from texgen.transfer.publish_target import PublishTarget

COMMIT_FILES = 100
"""Most files of one commit, as the Hub recommends."""

_OWN_FILES = (".gitattributes", "LICENSE", "LICENSE.md", "LICENSE.txt")
"""Files of a repository that are its owner's: publishing leaves them alone."""

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class _Remaining:
    """What a repository lacks: files of the data set, of the card, and the index."""

    files: Sequence[DataFile]
    card: CardUpdate
    index: bool


def publish_to_hub(
    source: PublishSource,
    repo: HubRepo,
    request: PublishRequest,
    on_progress: OnTransferProgress,
    *,
    private: bool = False,
    gate: str | None = None,
) -> PublishSummary:
    """Commits the files that the repository lacks; the last commit brings index and card.

    A commit has at most `COMMIT_FILES` files, is made on top of the commit that was looked at, and
    only after the SHA-256 of each file that was sent has been compared with the index. Files in the
    repository are never overwritten, except for the card, if nobody has edited it, and the index of
    a partial data set when more of it is published.

    Args:
        source: OUT.
        repo: The repository.
        request: Options of every publication.
        on_progress: See `OnTransferProgress`.
        private: Whether a repository that is created is private.
        gate: Who lets people in (`texgen.storage.hub.repo.GATES`); None leaves that as it is.

    Raises:
        ConfigError: If OUT is not finished, or the repository holds something else.
        DatasetError: If a file of OUT differs from the index.
        StorageError: If OUT cannot be read, or the Hub refuses.
    """
    data, index = read_finished(source)
    card = source.card(request.license, repo.url)
    with storage_errors("write", repo.url):
        repo.check_card(card.text)
        repo.prepare(private=private, gate=gate)
        return _Publication(source, repo, request, data, index, card).run(on_progress)


class _Publication:
    """One run of `publish_to_hub`."""

    def __init__(
        self,
        source: PublishSource,
        repo: HubRepo,
        request: PublishRequest,
        data: bytes,
        index: Index,
        card: Card,
    ) -> None:
        self._source, self._repo, self._request = source, repo, request
        self._data, self._index, self._card = data, index, card
        self._pauses = iter(PAUSES_S)

    def run(self, on_progress: OnTransferProgress) -> PublishSummary:
        total = sum(file.bytes for file in self._index.files)
        remaining = self._remaining()
        missing = sum(file.bytes for file in remaining.files)
        counter = ByteCounter(total, total - missing, on_progress)
        state = card_state(remaining.card)
        while remaining.files or remaining.card.files or remaining.index:
            try:
                self._send(remaining, counter)
                break
            except StoreError as error:
                self._wait(error)
            # The answer to a commit may have been lost, or somebody else may have made one.
            remaining = self._remaining()
            counter.add(total - sum(file.bytes for file in remaining.files) - counter.done)
        return PublishSummary(
            len(self._index.files), total, missing, self._index.samples, state,
            self._card.is_imagenet,
        )  # fmt: skip

    def _remaining(self) -> _Remaining:
        self._repo.refresh()
        target = PublishTarget(self._repo, self._data, self._index, "repository", _OWN_FILES)
        in_place = target.in_place()
        files = [file for file in self._index.files if file.path not in in_place]
        placed = PlacedCard(self._repo, replace=self._request.replace_card)
        return _Remaining(files, placed.update(self._card), not target.has_this_index)

    def _wait(self, error: StoreError) -> None:
        """Pauses before another try of a commit, if one may succeed."""
        pause_s = next(self._pauses, None)
        if pause_s is None or not (error.retryable or isinstance(error, ConditionFailedError)):
            raise error
        pause(pause_s, error)

    def _send(self, remaining: _Remaining, counter: ByteCounter) -> None:
        """Uploads and commits what remains.

        Raises:
            StoreError: If a commit fails.
        """
        for batch in _batches(remaining.files, COMMIT_FILES):
            uploaded: list[Any] = []
            for group in _batches(batch, self._request.workers):
                uploaded += self._upload(group)
                counter.add(sum(file.bytes for file in group))
            self._repo.commit(uploaded, f"Add {pluralize(len(batch), 'file')} of the data set")
            self._pauses = iter(PAUSES_S)
        last = {**remaining.card.files, **({INDEX: self._data} if remaining.index else {})}
        if last:
            with storage_errors("write", self._repo.url):
                added = self._repo.upload(last, self._request.workers)
            noun = "index and card" if remaining.index else "card"
            self._repo.commit(added, f"Publish the {noun} of the data set")

    def _upload(self, files: Sequence[DataFile]) -> Sequence[Any]:
        uploaded: Sequence[Any]
        with self._on_disk(files) as local, storage_errors("write", self._repo.url):
            uploaded = self._repo.upload(local, self._request.workers)
        for addition, file in zip(uploaded, files, strict=True):
            if addition.upload_info.sha256.hex() != file.sha256:
                raise self._source.damaged(file.path)
        return uploaded

    @contextlib.contextmanager
    def _on_disk(self, files: Sequence[DataFile]) -> Iterator[Mapping[str, Path]]:
        """Opens a context in which files of the data set lie on this machine."""
        with contextlib.ExitStack() as stack:

            def fetch(file: DataFile) -> Path:
                return stack.enter_context(self._source.file(file))

            places = ordered_map(fetch, files, self._request.workers)
            yield {file.path: place for file, place in zip(files, places, strict=True)}


def _batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    left = iter(items)
    while batch := list(itertools.islice(left, size)):
        yield batch
