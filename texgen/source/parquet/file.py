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
import pyarrow.compute as pc
import pyarrow.parquet as pq

from texgen.core.errors import SourceError
from texgen.core.text import format_bytes
from texgen.source.parquet.columns import (
    Features,
    image_column,
    is_text,
    label_column,
    labels_of,
    other_labels,
)
from texgen.storage.ranges import RangeFile, RangeStream

MAGIC = b"PAR1"
_TAIL = 8
_MAX_FOOTER = 1 << 28
_MAX_GROUP = 1 << 30
"""Bytes of photographs in a row group, since reading one photograph reads its group."""

_ROWS = 1 << 13


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A Parquet file of photographs.

    Attributes:
        reader: A `pyarrow.parquet.ParquetFile`.
        check: CRC-32 of the footer, which holds sizes and places of everything.
        where: Its name, for people.
        image: Name of the column of photographs.
        in_structs: Whether it holds structs with the photographs' bytes, not the bytes alone.
        has_paths: Whether it holds paths.
        label: Name of the column of labels, None without one.
        names: Names of the labels; None where the file does not name them.
        others: Names of further columns of labels.
        starts: First row of each row group, and the number of rows.
    """

    reader: Any
    check: int
    where: str
    image: str
    in_structs: bool
    has_paths: bool
    label: str | None
    names: tuple[str, ...] | None
    others: tuple[str, ...]
    starts: tuple[int, ...]

    @property
    def data(self) -> str:
        """Path of the photographs' bytes in Parquet's schema."""
        return f"{self.image}.bytes" if self.in_structs else self.image

    def __len__(self) -> int:
        """Number of rows."""
        return self.starts[-1]

    @property
    def labels_are_text(self) -> bool:
        """Whether its labels are class names, not numbers."""
        return self.label is not None and is_text(self.reader.schema_arrow.field(self.label).type)

    def rows(self) -> Iterator[tuple[str | None, int | str | None]]:
        """Path and label of every row; the photographs are not read.

        Raises:
            SourceError: If a label cannot be one.
        """
        columns = [f"{self.image}.path"] if self.has_paths else []
        columns += [self.label] if self.label else []
        if not columns:
            yield from itertools.repeat((None, None), self.starts[-1])
            return
        for batch in self.reader.iter_batches(_ROWS, columns=columns, use_threads=False):
            nothing = [None] * batch.num_rows
            images = batch.column(self.image).to_pylist() if self.has_paths else nothing
            labels = labels_of(batch.column(self.label), self.where) if self.label else nothing
            for image, label in zip(images, labels, strict=True):
                yield image and image["path"], label

    def group_of(self, row: int) -> int:
        """The row group that holds a row."""
        return bisect.bisect_right(self.starts, row) - 1

    def images(self, group: int) -> Any:  # noqa: ANN401 - pyarrow ships no types
        """The photographs of a row group, the bytes of each."""
        column = self.reader.read_row_group(group, [self.data], use_threads=False).column(0)
        return pc.struct_field(column, "bytes") if self.in_structs else column

    def without_bytes(self) -> int:
        """Rows that are known to hold no photograph."""
        chunks = (c for _, c in _chunks(self.reader.metadata) if c.path_in_schema == self.data)
        return sum((c.statistics and c.statistics.null_count) or 0 for c in chunks)


def open_image_file(
    file: RangeFile, where: str, image_field: str | None = None, label_field: str | None = None
) -> ImageFile:
    """Opens a Parquet file and finds its columns.

    Args:
        file: The file.
        where: Its name, for people.
        image_field: See `texgen.source.SourceSpec`.
        label_field: Likewise.

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
    image = image_column(schema, features, where, image_field)
    label = label_column(schema, features, where, label_field)
    others = other_labels(schema, features, label) if label_field is None else []
    kind = schema.field(image).type
    in_structs = pa.types.is_struct(kind)
    has_paths = in_structs and kind.get_field_index("path") >= 0
    starts = [0]
    for group in range(metadata.num_row_groups):
        starts.append(starts[-1] + metadata.row_group(group).num_rows)
    names = _names(features.get(label or ""))
    opened = ImageFile(
        reader,
        check,
        where,
        image,
        in_structs,
        has_paths,
        label,
        names,
        tuple(others),
        tuple(starts),
    )
    _check_groups(opened)
    return opened


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


def _features(metadata: Mapping[bytes, bytes]) -> Features:
    """What Hugging Face's library says of each column; nothing where others wrote the file."""
    try:
        found = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {name: about for name, about in found.items() if isinstance(about, dict)}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


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


def _check_groups(file: ImageFile) -> None:
    for group, chunk in _chunks(file.reader.metadata):
        size = chunk.total_uncompressed_size
        if chunk.path_in_schema == file.data and size > _MAX_GROUP:
            message = (
                f"{file.where}: row group {group} holds {format_bytes(size)} of photographs, all "
                "of which would be read for each; write the file anew with row_group_size=100"
            )
            raise SourceError(message)
