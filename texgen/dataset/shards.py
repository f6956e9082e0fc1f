"""WebDataset tar shards, byte for byte reproducible."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from texgen.core.fingerprint import canonical_json
from texgen.core.types import ArrowFile, Row, TextureFile
from texgen.dataset.manifest import ManifestRow, manifest_row

_SIZE_COLUMNS = ("width", "height", "patch_size")
_PROVENANCE_COLUMNS = ("key", "source", "label", "class", *_SIZE_COLUMNS, "texture_index", "seed")
_MODE = 0o444
_END = 2 * tarfile.BLOCKSIZE
"""Zero bytes that end a tar."""

END_BYTES = _END + tarfile.RECORDSIZE // 2
"""Bytes that end a shard on average: `_END`, and padding to a multiple of a record."""
END_BYTES_SPREAD = tarfile.RECORDSIZE / 12**0.5
"""Standard deviation of `END_BYTES`, if every length of the padding is equally likely."""


def sample_json(row: Row, engine: str, engine_version: str) -> bytes:
    """Returns a texture's ``KEY.json`` member: where the texture comes from, as canonical JSON.

    Raises:
        ValueError: If the row has no geometry.
    """
    if row.geometry is None:
        raise ValueError(f"{row.key}: a texture without geometry")
    return provenance_json(manifest_row(row), engine, engine_version)


def provenance_json(row: ManifestRow, engine: str, engine_version: str) -> bytes:
    """Returns the ``KEY.json`` member of a manifest row that has a texture; see `sample_json`."""
    return canonical_json(
        {
            **{name: row[name] for name in _PROVENANCE_COLUMNS},
            "center": [row["center_x"], row["center_y"]],
            "random": [row["random_x"], row["random_y"]],
            "engine": engine,
            "engine_version": engine_version,
        }
    )


class ShardWriter:
    """Writes one shard to a local file; a context manager.

    Args:
        file: Path of the file, created or overwritten.
        name: Path of the finished shard relative to OUT, for `TextureFile.shard`.
        image_format: Extension of the texture members.

    Attributes:
        size: Size of the tar in bytes, once it is closed.
        sha256: Hex SHA-256 of the tar, once it is closed.
    """

    def __init__(self, file: Path, name: str, image_format: str) -> None:
        self._stream = _HashingWriter(io.FileIO(file, "w"))
        # PAX gives a long key an extra header; other formats raise an error.
        self._tar = tarfile.open(  # noqa: SIM115 - see __exit__
            fileobj=self._stream, mode="w", format=tarfile.PAX_FORMAT
        )
        self._name = name
        self._image_format = image_format
        self.size = 0
        self.sha256 = ""

    def add(self, key: str, label: int | None, provenance: bytes, image: bytes) -> TextureFile:
        """Adds a texture's members, adjacent and in fixed order.

        Args:
            key: Key of the texture.
            label: Class index; None leaves the ``.cls`` member out.
            provenance: Bytes of the ``.json`` member; see `sample_json`.
            image: Encoded texture.

        Returns:
            Where the encoded texture lies in the tar.
        """
        for info, data in _members(key, label, provenance, image, self._image_format):
            self._tar.addfile(info, io.BytesIO(data))
        offset = self._stream.tell() - _padded(len(image))
        return TextureFile(self._name, offset, len(image), hashlib.sha256(image).hexdigest())

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, exception_type: type[BaseException] | None, *_: object) -> None:
        if exception_type is None:
            self._tar.close()
        self.size, self.sha256 = self._stream.tell(), self._stream.hash.hexdigest()
        self._stream.close()


def sample_bytes(
    key: str, label: int | None, provenance: bytes, image: bytes, image_format: str
) -> int:
    """Returns how many bytes a texture takes in a shard, with headers and padding.

    See `ShardWriter.add` for the arguments.
    """
    members = _members(key, label, provenance, image, image_format)
    return sum(len(info.tobuf(tarfile.PAX_FORMAT)) + _padded(len(data)) for info, data in members)


def _members(
    key: str, label: int | None, provenance: bytes, image: bytes, image_format: str
) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Yields a texture's members in order, the image last."""
    contents = {} if label is None else {f"{key}.cls": str(label).encode()}
    contents |= {f"{key}.json": provenance, f"{key}.{image_format}": image}
    for name, data in contents.items():
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), _MODE
        yield info, data


class _HashingWriter(io.BufferedWriter):
    """File that hashes what is written, so that a finished shard need not be read again."""

    def __init__(self, file: io.FileIO) -> None:
        super().__init__(file)
        self.hash = hashlib.sha256()

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        self.hash.update(data)
        return super().write(data)


@dataclass(frozen=True, slots=True)
class TarMember:
    """A member of a tar, whose data begin at the byte ``offset``."""

    name: str
    offset: int
    data: bytes


def read_members(stream: ArrowFile) -> Iterator[TarMember]:
    """Yields the members of a shard, a seekable file, in order.

    Raises:
        tarfile.TarError: If the file is not a tar, or is cut off.
    """
    end = 0
    with tarfile.open(fileobj=stream, mode="r:") as tar:
        for info in tar:
            end = info.offset_data + _padded(info.size)
            file = tar.extractfile(info)
            data = file.read() if file else b""
            if len(data) != info.size:
                raise tarfile.ReadError(f"{info.name} is cut off")
            yield TarMember(info.name, info.offset_data, data)
    # tarfile accepts a tar that ends between two members, or within a header, as complete.
    stream.seek(end)
    if stream.read(_END) != bytes(_END):
        raise tarfile.ReadError("its end is missing, so it is cut off")


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
