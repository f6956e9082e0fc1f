"""Checks whether a data set may be published to a prefix of a bucket or a repository."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from texgen.core.concurrency import ordered_map
from texgen.core.errors import ConfigError, DatasetError, ShardConflictError
from texgen.core.layout import INDEX, is_build_file, is_card_file
from texgen.dataset.index import DataFile, Index, parse_index
from texgen.storage.sink import OWN_FILES


class PublishedFiles(Protocol):
    """The files at a place, such as a `Sink`."""

    url: str
    parallel: int

    def list(self, prefix: str) -> dict[str, int]:
        """Paths and bytes of all files below a folder."""
        ...

    def open(self, path: str) -> Any:  # noqa: ANN401 - pyarrow ships no types
        """Opens a file for reading."""
        ...

    def sha256_of(self, path: str) -> str | None:
        """SHA-256 of a file, hex; None if there is none."""
        ...


class PublishTarget:
    """A place that is listed before anything is written to it.

    Args:
        files: What is there.
        data: Bytes of the index to publish.
        index: The same index, parsed.
        noun: The kind of place that an error asks for: a prefix, or a repository.
        accepted: Files that belong to the place itself, and are left alone.

    Attributes:
        sizes: Bytes of the files there, by path.
        has_index: Whether a data set is published there.
        has_this_index: Whether its index is the same.

    Raises:
        ConfigError: If the place holds something else; with a hint.
        StorageError: If it cannot be read.
    """

    def __init__(
        self,
        files: PublishedFiles,
        data: bytes,
        index: Index,
        noun: str = "prefix",
        accepted: Sequence[str] = OWN_FILES,
    ) -> None:
        self._files = files
        self._index = index
        self._another = f"name another {noun}"
        self._accepted = accepted
        self.sizes = files.list("")
        self.has_index = INDEX in self.sizes
        published = files.open(INDEX).read() if self.has_index else None
        self.has_this_index = published == data
        if published is None:
            self._refuse_other_files()
        elif not self.has_this_index:
            self._refuse_other_index(published)

    def _refuse_other_files(self) -> None:
        known = {file.path for file in self._index.files} | set(self._accepted)
        paths = (path for path in self.sizes if path not in known)
        others = sorted(path for path in paths if not is_card_file(path))
        if others and is_build_file(others[0]):
            raise ConfigError(f"{self._files.url} is the OUT of a build; {self._another}")
        if others:
            raise ConfigError(
                f"{self._files.url} holds {others[0]}, which does not belong to this data set; "
                f"{self._another}, or delete the files there"
            )

    def _refuse_other_index(self, data: bytes) -> None:
        """Accepts only the index of a part of this data set."""
        try:
            published = parse_index(data, hint="")
        except DatasetError as error:
            raise ConfigError(f"{self._files.url}: {error}; {self._another}") from error
        if published.fingerprint != self._index.fingerprint:
            raise ConfigError(
                f"{self._files.url} holds another data set ({published.fingerprint[:12]}…); "
                f"{self._another}"
            )
        own = {file.path: file.sha256 for file in self._index.files}
        for file in published.files:
            if file.path not in own:
                raise ConfigError(
                    f"{self._files.url} holds more of this data set than you publish "
                    f"({file.path}); publish all of it, or {self._another}"
                )
            if file.sha256 != own[file.path]:
                raise self._conflict(file.path)

    def in_place(self) -> set[str]:
        """Returns the paths of the data set's files that are there already.

        Raises:
            ConfigError: If one of them has other bytes.
        """
        present = [file for file in self._index.files if file.path in self.sizes]
        for file in present:
            if self.sizes[file.path] != file.bytes:
                raise self._conflict(file.path)
        if self.has_this_index:
            # The index is written after all files.
            return {file.path for file in present}
        return self._with_right_sha256(present)

    def _with_right_sha256(self, files: Sequence[DataFile]) -> set[str]:
        paths = [file.path for file in files]
        sums = ordered_map(self._files.sha256_of, paths, self._files.parallel)
        in_place = set()
        for file, sha256 in zip(files, sums, strict=True):
            if sha256 == file.sha256:
                in_place.add(file.path)
            elif sha256 is not None:
                raise self._conflict(file.path)
        return in_place

    @contextlib.contextmanager
    def conflicts(self, path: str) -> Iterator[None]:
        """Explains that another file of that name was written to the place meanwhile.

        Raises:
            ConfigError: If a `ShardConflictError` is raised inside.
        """
        try:
            yield
        except ShardConflictError as error:
            raise self._conflict(path) from error

    def _conflict(self, path: str) -> ConfigError:
        return ConfigError(
            f"{self._files.url}/{path} exists with other bytes than in this data set, and others "
            f"may be reading it; {self._another}, or delete the files there"
        )
