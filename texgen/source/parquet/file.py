"""One Parquet file of images: its columns, its rows and its checksum."""

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
from texgen.source.locator import Archive
from texgen.source.parquet.columns import (
    Features,
    find_image_column,
    find_label_column,
    find_other_labels,
    is_text,
    labels_of,
)
from texgen.storage.ranges import RangeFile, RangeStream

MAGIC = b"PAR1"
_TAIL = 8
_MAX_FOOTER = 1 << 28
_MAX_GROUP = 1 << 30
"""Bytes of images in a row group, at most: reading one image reads its whole group."""

_ROWS_AT_ONCE = 1 << 13


@dataclass(frozen=True, slots=True)
class ParquetImageFile:
    """A Parquet file of images.

    Attributes:
        reader: A `pyarrow.parquet.ParquetFile`.
        check: CRC-32 of the footer, which holds sizes and offsets of all data.
        archive: The file's path and size.
        image_column: Name of the column of images.
        in_structs: Whether this column holds structs with an image's bytes, not the bytes alone.
        has_paths: Whether these structs hold paths.
        label_column: Name of the column of labels, None without one.
        class_names: Class name of each label; None where the file does not name them.
        other_labels: Names of further columns of labels.
        starts: First row of each row group, then the number of rows.
    """

    reader: Any
    check: int
    archive: Archive
    image_column: str
    in_structs: bool
    has_paths: bool
    label_column: str | None
    class_names: tuple[str, ...] | None
    other_labels: tuple[str, ...]
    starts: tuple[int, ...]

    @property
    def data_path(self) -> str:
        """Path of the images' bytes in Parquet's schema."""
        return f"{self.image_column}.bytes" if self.in_structs else self.image_column

    def __len__(self) -> int:
        """Number of rows."""
        return self.starts[-1]

    @property
    def labels_are_text(self) -> bool:
        """Whether its labels are class names, not numbers."""
        column = self.label_column
        return column is not None and is_text(self.reader.schema_arrow.field(column).type)

    def rows(self) -> Iterator[tuple[str | None, int | str | None]]:
        """Path and label of every row; the images are not read.

        Raises:
            SourceError: If a label is not a whole number, or is too large.
        """
        columns = [f"{self.image_column}.path"] if self.has_paths else []
        columns += [self.label_column] if self.label_column else []
        if not columns:
            yield from itertools.repeat((None, None), self.starts[-1])
            return
        for batch in self.reader.iter_batches(_ROWS_AT_ONCE, columns=columns, use_threads=False):
            paths: list[str | None] = [None] * batch.num_rows
            labels: list[int | str | None] = [None] * batch.num_rows
            if self.has_paths:
                paths = pc.struct_field(batch.column(self.image_column), "path").to_pylist()
            if self.label_column:
                labels = labels_of(batch.column(self.label_column), self.archive.text)
            yield from zip(paths, labels, strict=True)

    def group_of(self, row: int) -> int:
        """The row group that holds a row."""
        return bisect.bisect_right(self.starts, row) - 1

    def images(self, group: int) -> Any:  # noqa: ANN401 - pyarrow ships no types
        """Arrow array of the images of a row group, the bytes of each."""
        column = self.reader.read_row_group(group, [self.data_path], use_threads=False).column(0)
        return pc.struct_field(column, "bytes") if self.in_structs else column

    def without_bytes(self) -> int:
        """Number of rows that hold no image, as far as the file's statistics tell."""
        statistics = (chunk.statistics for chunk in self.image_chunks())
        return sum((known and known.null_count) or 0 for known in statistics)

    def image_chunks(self) -> Iterator[Any]:
        """Arrow's metadata of the images of each row group."""
        metadata = self.reader.metadata
        paths = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
        column = paths.index(self.data_path)
        return (metadata.row_group(n).column(column) for n in range(metadata.num_row_groups))


def open_parquet(
    file: RangeFile, archive: Archive, image_field: str | None, label_field: str | None
) -> ParquetImageFile:
    """Opens a Parquet file and finds its columns; `texgen.source.SourceSpec` tells of the fields.

    Raises:
        SourceError: If the file is cut off, damaged, or holds no images.
        OSError: If the file cannot be read.
    """
    display_name = archive.text
    check = _footer_check(file, display_name)
    try:
        reader = pq.ParquetFile(pa.PythonFile(RangeStream(file), mode="r"))
        schema, metadata = reader.schema_arrow, reader.metadata
    except (pa.ArrowException, OSError, ValueError) as error:
        if getattr(error, "errno", None):
            raise
        raise _damaged(display_name, file.size() - _TAIL, "no valid footer ends there") from error
    if metadata.num_rows > file.size():
        raise _damaged(display_name, file.size() - _TAIL, f"a footer of {metadata.num_rows} rows")
    features = _features(schema.metadata or {})
    image = find_image_column(schema, features, display_name, image_field)
    label = find_label_column(schema, features, display_name, label_field)
    others = find_other_labels(schema, features, label) if label_field is None else []
    kind = schema.field(image).type
    in_structs = pa.types.is_struct(kind)
    has_paths = in_structs and kind.get_field_index("path") >= 0
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    opened = ParquetImageFile(
        reader,
        check,
        archive,
        image,
        in_structs,
        has_paths,
        label,
        _class_names(features.get(label or "")),
        tuple(others),
        tuple(itertools.accumulate((group.num_rows for group in groups), initial=0)),
    )
    _check_groups(opened)
    return opened


def _footer_check(file: RangeFile, display_name: str) -> int:
    """CRC-32 of the footer."""
    size = file.size()
    tail = file.read_at(max(0, size - _TAIL), _TAIL)
    if file.read_at(0, len(MAGIC)) != MAGIC:
        raise _damaged(display_name, 0, "a Parquet file begins with PAR1")
    if len(tail) < _TAIL or not tail.endswith(MAGIC):
        raise SourceError(
            f"{display_name} is cut off at byte {size} (its footer is missing); fetch it again"
        )
    length = int.from_bytes(tail[:4], "little")
    if not 0 < length <= min(_MAX_FOOTER, size - _TAIL - len(MAGIC)):
        raise _damaged(display_name, size - _TAIL, f"a footer of {length} bytes")
    return zlib.crc32(file.read_at(size - _TAIL - length, length))


def _damaged(display_name: str, at: int, reason: str) -> SourceError:
    return SourceError(f"{display_name} is damaged at byte {at} ({reason}); fetch the file again")


def _features(metadata: Mapping[bytes, bytes]) -> Features:
    """See `Features`; empty where the file has none."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {name: about for name, about in features.items() if isinstance(about, dict)}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def _class_names(feature: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    """Class names of a column of labels; None if there are none or two are the same."""
    names = (feature or {}).get("names")
    if isinstance(names, dict):
        names = [names.get(str(number)) for number in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        return None
    return tuple(names) if len(set(names)) == len(names) else None


def _check_groups(file: ParquetImageFile) -> None:
    for group, chunk in enumerate(file.image_chunks()):
        size = chunk.total_uncompressed_size
        if size > _MAX_GROUP:
            raise SourceError(
                f"{file.archive.text}: row group {group} holds {format_bytes(size)} of images, and "
                "reading one image reads them all; write the file again with row_group_size=100"
            )
