"""One Parquet file of photographs: its columns, and what tells that it is another."""

from __future__ import annotations

import bisect
import itertools
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from texgen.errors import SourceError
from texgen.ranges import RangeFile, RangeStream
from texgen.words import size_text

MAGIC = b"PAR1"
_TAIL = 8
_MAX_FOOTER = 1 << 28
_MAX_GROUP = 1 << 30
"""Bytes of photographs in a row group, since reading one photograph reads its group."""

_ROWS = 1 << 13
_IMAGE_NAMES = ("image", "img")
_LABEL_NAMES = ("label", "labels")


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A Parquet file of photographs.

    Attributes:
        reader: A `pyarrow.parquet.ParquetFile`.
        check: CRC-32 of the footer, which holds sizes and places of everything.
        image: Name of the column of photographs.
        has_paths: Whether it holds paths.
        label: Name of the column of labels, None without one.
        names: Of the labels; None where the file does not name them.
        starts: First row of each row group, and the number of rows.
    """

    reader: Any
    check: int
    image: str
    has_paths: bool
    label: str | None
    names: tuple[str, ...] | None
    starts: tuple[int, ...]

    def rows(self) -> Iterator[tuple[str | None, int | None]]:
        """Path and label of every row; the photographs are not read."""
        columns = [f"{self.image}.path"] if self.has_paths else []
        columns += [self.label] if self.label else []
        if not columns:
            yield from itertools.repeat((None, None), self.starts[-1])
            return
        for batch in self.reader.iter_batches(_ROWS, columns=columns, use_threads=False):
            nothing = [None] * batch.num_rows
            images = batch.column(self.image).to_pylist() if self.has_paths else nothing
            labels = batch.column(self.label).to_pylist() if self.label else nothing
            for image, label in zip(images, labels, strict=True):
                yield image and image["path"], None if label is None or label < 0 else label

    def group_of(self, row: int) -> int:
        """The row group that holds a row."""
        return bisect.bisect_right(self.starts, row) - 1

    def images(self, group: int) -> Any:  # noqa: ANN401 - pyarrow ships no types
        """The photographs of a row group, a struct with ``bytes`` each."""
        columns = [f"{self.image}.bytes"]
        return self.reader.read_row_group(group, columns, use_threads=False).column(0)

    def without_bytes(self) -> int:
        """Rows that are known to hold no photograph."""
        wanted = f"{self.image}.bytes"
        chunks = (c for _, c in _chunks(self.reader.metadata) if c.path_in_schema == wanted)
        return sum((c.statistics and c.statistics.null_count) or 0 for c in chunks)


def open_image_file(file: RangeFile, where: str) -> ImageFile:
    """Opens a Parquet file and finds its columns.

    Args:
        file: The file.
        where: Its name, for people.

    Raises:
        SourceError: If it is cut off, damaged, or holds no photographs.
        OSError: If it cannot be read.
    """
    check = _footer_check(file, where)
    try:
        reader = pq.ParquetFile(pa.PythonFile(RangeStream(file), mode="r"))
        schema, metadata = reader.schema_arrow, reader.metadata
    except (pa.ArrowException, OSError, ValueError) as error:
        if getattr(error, "errno", None):
            raise
        raise _damaged(where, file.size() - _TAIL, "no footer ends there") from error
    if metadata.num_rows > file.size():
        raise _damaged(where, file.size() - _TAIL, f"a footer of {metadata.num_rows} rows")
    features = _features(schema.metadata or {})
    image = _image_column(schema, features, where)
    label = _label_column(schema, features, where)
    _check_groups(metadata, f"{image}.bytes", where)
    starts = [0]
    for group in range(metadata.num_row_groups):
        starts.append(starts[-1] + metadata.row_group(group).num_rows)
    has_paths = schema.field(image).type.get_field_index("path") >= 0
    names = _names(features.get(label or ""))
    return ImageFile(reader, check, image, has_paths, label, names, tuple(starts))


def _footer_check(file: RangeFile, where: str) -> int:
    """CRC-32 of the footer."""
    size = file.size()
    tail = file.read_at(max(0, size - _TAIL), _TAIL)
    if file.read_at(0, len(MAGIC)) != MAGIC:
        raise _damaged(where, 0, "no Parquet file begins so")
    if len(tail) < _TAIL or not tail.endswith(MAGIC):
        message = f"{where} is cut off at byte {size} (its footer is not there); fetch it again"
        raise SourceError(message)
    length = int.from_bytes(tail[:4], "little")
    if not 0 < length <= min(_MAX_FOOTER, size - _TAIL - len(MAGIC)):
        raise _damaged(where, size - _TAIL, f"a footer of {length} bytes")
    return zlib.crc32(file.read_at(size - _TAIL - length, length))


def _damaged(where: str, at: int, why: str) -> SourceError:
    return SourceError(f"{where} is damaged at byte {at} ({why}); fetch the file again")


def _features(metadata: Mapping[bytes, bytes]) -> dict[str, Mapping[str, Any]]:
    """What Hugging Face's library says of each column; nothing where others wrote the file."""
    try:
        found = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {name: about for name, about in found.items() if isinstance(about, dict)}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def _image_column(schema: Any, features: Mapping[str, Any], where: str) -> str:  # noqa: ANN401
    found: list[str] = [field.name for field in schema if _holds_images(field.type)]
    marked = [name for name in found if features.get(name, {}).get("_type") == "Image"]
    for names in (marked, found):
        if len(names) == 1:
            return names[0]
        for usual in _IMAGE_NAMES:
            if usual in names:
                return usual
    columns = ", ".join(f"{field.name}: {field.type}" for field in schema)
    message = (
        f"{where} has the columns {columns[:200]}; expected one of images, "
        "image: struct<bytes: binary, path: string>"
    )
    raise SourceError(message)


def _holds_images(kind: Any) -> bool:  # noqa: ANN401 - pyarrow ships no types
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return False
    data = kind.field("bytes").type
    return bool(pa.types.is_binary(data) or pa.types.is_large_binary(data))


def _label_column(schema: Any, features: Mapping[str, Any], where: str) -> str | None:  # noqa: ANN401
    marked = [n for n in schema.names if features.get(n, {}).get("_type") == "ClassLabel"]
    usual = [name for name in _LABEL_NAMES if name in schema.names]
    # "label" comes first, then what is marked as one.
    candidates: list[str] = [*(name for name in usual if name in marked), *usual, *marked]
    if not candidates:
        return None
    name, *_ = candidates
    if not pa.types.is_integer(schema.field(name).type):
        message = f"{where}: its column {name} is of {schema.field(name).type}; expected int64"
        raise SourceError(message)
    return name


def _names(feature: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    """Class names of a label, if there are any and no two are the same."""
    names = (feature or {}).get("names")
    if isinstance(names, dict):
        names = [names.get(str(number)) for number in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        return None
    return tuple(names) if len(set(names)) == len(names) else None


def _chunks(metadata: Any) -> Iterator[tuple[int, Any]]:  # noqa: ANN401 - pyarrow ships no types
    for group in range(metadata.num_row_groups):
        columns = metadata.row_group(group)
        for column in range(columns.num_columns):
            yield group, columns.column(column)


def _check_groups(metadata: Any, image: str, where: str) -> None:  # noqa: ANN401
    for group, chunk in _chunks(metadata):
        size = chunk.total_uncompressed_size
        if chunk.path_in_schema == image and size > _MAX_GROUP:
            message = (
                f"{where}: row group {group} holds {size_text(size)} of photographs, all of which "
                "would be read for each; write the file anew with row_group_size=100"
            )
            raise SourceError(message)
