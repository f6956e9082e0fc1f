"""Checks whether a data set may be published to a prefix of a bucket, and writes it there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from texgen.core.concurrency import ordered_map
from texgen.core.errors import ConfigError, DatasetError, ShardConflictError
from texgen.core.layout import INDEX, is_build_file
from texgen.dataset.index import DataFile, Index, parse_index
from texgen.storage import Sink
from texgen.storage.sink import OWN_FILES


class PublishTarget:
    """A prefix of a bucket, which is listed before anything is written.

    Args:
        sink: The prefix.
        data: Bytes of the index to publish.
        index: The same index, parsed.

    Attributes:
        has_index: Whether a data set is published there.
        has_this_index: Whether its index is the same.

    Raises:
        ConfigError: If the prefix holds something else; with a hint.
        StorageError: If the prefix cannot be read.
    """

    def __init__(self, sink: Sink, data: bytes, index: Index) -> None:
        self._sink = sink
        self._index = index
        self._sizes = sink.list("")
        self.has_index = INDEX in self._sizes
        published = sink.open(INDEX).read() if self.has_index else None
        self.has_this_index = published == data
        if published is None:
            self._refuse_other_files()
        elif not self.has_this_index:
            self._refuse_other_index(published)

    def _refuse_other_files(self) -> None:
        known = {file.path for file in self._index.files} | set(OWN_FILES)
        others = sorted(path for path in self._sizes if path not in known)
        if others and is_build_file(others[0]):
            raise ConfigError(f"{self._sink.url} is the OUT of a build; name another prefix")
        if others:
            raise ConfigError(
                f"{self._sink.url} holds {others[0]}, which does not belong to this data set; "
                "name another prefix, or delete the files there"
            )

    def _refuse_other_index(self, data: bytes) -> None:
        """Accepts only the index of a part of this data set."""
        try:
            published = parse_index(data, hint="")
        except DatasetError as error:
            raise ConfigError(f"{self._sink.url}: {error}; name another prefix") from error
        if published.fingerprint != self._index.fingerprint:
            raise ConfigError(
                f"{self._sink.url} holds another data set ({published.fingerprint[:12]}…); "
                "name another prefix"
            )
        own = {file.path: file.sha256 for file in self._index.files}
        for file in published.files:
            if file.path not in own:
                raise ConfigError(
                    f"{self._sink.url} holds more of this data set than you publish "
                    f"({file.path}); publish all of it, or name another prefix"
                )
            if file.sha256 != own[file.path]:
                raise self._conflict(file.path)

    def in_place(self) -> set[str]:
        """Returns the paths of the data set's files that are there already.

        Raises:
            ConfigError: If one of them has other bytes.
        """
        present = [file for file in self._index.files if file.path in self._sizes]
        for file in present:
            if self._sizes[file.path] != file.bytes:
                raise self._conflict(file.path)
        if self.has_this_index:
            # The index is written after all files.
            return {file.path for file in present}
        return self._with_right_sha256(present)

    def _with_right_sha256(self, files: Sequence[DataFile]) -> set[str]:
        paths = [file.path for file in files]
        sums = ordered_map(self._sink.sha256_of, paths, self._sink.parallel)
        in_place = set()
        for file, sha256 in zip(files, sums, strict=True):
            if sha256 == file.sha256:
                in_place.add(file.path)
            elif sha256 is not None:
                raise self._conflict(file.path)
        return in_place

    def send(self, body: bytes | Path, path: str, sha256: str, *, replace: bool = False) -> None:
        """Puts a file in place; see `Sink.send`.

        Raises:
            ConfigError: If another file of that name was written there meanwhile.
        """
        try:
            self._sink.send(body, path, sha256, replace=replace)
        except ShardConflictError as error:
            raise self._conflict(path) from error

    def _conflict(self, path: str) -> ConfigError:
        return ConfigError(
            f"{self._sink.url}/{path} exists with other bytes than in this data set, and others "
            "may be reading it; name another prefix, or delete the files there"
        )
