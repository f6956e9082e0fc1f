"""What lies where a data set is to be published, and whether it may go there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from texgen.core.concurrency import ordered_map
from texgen.core.errors import ConfigError, DatasetError, ShardConflictError
from texgen.core.layout import INDEX, is_build_file
from texgen.dataset.index import Index, ManifestFile, ShardFile, parse_index
from texgen.storage.s3.sink import OWN_FILES, S3Sink


class Target:
    """A prefix of a bucket, looked at before anything is written.

    Args:
        sink: Of the prefix.
        data: The index that is to be there.
        index: The same, parsed.

    Attributes:
        has_index: Whether something is published there.
        has_this_index: Whether it is the same.

    Raises:
        ConfigError: If something else is there; says what to do.
        StorageError: If it cannot be looked at.
    """

    def __init__(self, sink: S3Sink, data: bytes, index: Index) -> None:
        self._sink = sink
        self._index = index
        self._there = sink.list("")
        self.has_index = INDEX in self._there
        held = sink.open(INDEX).read() if self.has_index else None
        self.has_this_index = held == data
        if held is None:
            self._refuse_others()
        elif not self.has_this_index:
            self._refuse_another(held)

    def _refuse_others(self) -> None:
        known = {file.path for file in self._index.files} | set(OWN_FILES)
        others = sorted(path for path in self._there if path not in known)
        if others and is_build_file(others[0]):
            message = f"{self._sink.url} is the OUT of a build; name another prefix"
            raise ConfigError(message)
        if others:
            message = (
                f"{self._sink.url} holds {others[0]}, which is not of this data set; "
                "name another prefix, or delete what is there"
            )
            raise ConfigError(message)

    def _refuse_another(self, data: bytes) -> None:
        """Refuses an index of anything but a part of this data set."""
        try:
            held = parse_index(data, hint="")
        except DatasetError as error:
            message = f"{self._sink.url}: {error}; name another prefix"
            raise ConfigError(message) from error
        if held.fingerprint != self._index.fingerprint:
            message = (
                f"{self._sink.url} holds another data set ({held.fingerprint[:12]}…); "
                "name another prefix"
            )
            raise ConfigError(message)
        ours = {file.path: file.sha256 for file in self._index.files}
        for file in held.files:
            if file.path not in ours:
                message = (
                    f"{self._sink.url} holds more of this data set than is to be published "
                    f"({file.path}); publish all of it, or name another prefix"
                )
                raise ConfigError(message)
            if file.sha256 != ours[file.path]:
                raise self._conflict(file.path)

    def in_place(self) -> set[str]:
        """The files of the data set that are there already.

        Raises:
            ConfigError: If one of them has other bytes.
        """
        found = [file for file in self._index.files if file.path in self._there]
        for file in found:
            if self._there[file.path] != file.bytes:
                raise self._conflict(file.path)
        if self.has_this_index:
            # It was written after all of them.
            return {file.path for file in found}
        return self._checked(found)

    def _checked(self, files: Sequence[ManifestFile | ShardFile]) -> set[str]:
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
        """Puts a file in place; see `S3Sink.send`.

        Raises:
            ConfigError: If another of that name has come there meanwhile.
        """
        try:
            self._sink.send(body, path, sha256, replace=replace)
        except ShardConflictError as error:
            raise self._conflict(path) from error

    def _conflict(self, path: str) -> ConfigError:
        return ConfigError(
            f"{self._sink.url}/{path} is there with other bytes than those of this data set, and "
            "others may be reading it; name another prefix, or delete what is there"
        )
