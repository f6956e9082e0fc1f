"""Finds the columns of images and of labels in a Parquet file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from texgen.core.errors import SourceError
from texgen.source.base import NO_LABELS

ArrowSchema: TypeAlias = Any
ArrowType: TypeAlias = Any
Features: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Hugging Face's metadata of each column; empty if another library wrote the file."""

_IMAGE_NAMES = ("image", "img")
_LABEL_NAMES = ("label", "labels", "fine_label")
_MAYBE_LABELS = (
    "class", "class_id", "class_label", "class_name", "classname", "cls", "category", "category_id",
    "category_name", "label_id", "label_name", "target", "targets",
)  # fmt: skip
"""Names of columns that may hold labels, so that the user has to choose."""

_SHOWN = 200


def find_image_column(
    schema: ArrowSchema, features: Features, display_name: str, wanted: str | None
) -> str:
    """Name of the column of images, which are structs with ``bytes``, or the bytes themselves.

    ``wanted`` is ``--image-field``; None where it is not given.

    Raises:
        SourceError: If no column, or more than one, may be it; names the columns.
    """
    if wanted is not None:
        if wanted in schema.names and (
            _in_structs(kind := schema.field(wanted).type) or _is_binary(kind)
        ):
            return wanted
        raise SourceError(f"{display_name}: --image-field {wanted}: {_no_images(schema, wanted)}")
    marked = {name for name, about in features.items() if about.get("_type") == "Image"}
    candidates: list[str] = [f.name for f in schema if _in_structs(f.type)]
    # A column of plain bytes may hold anything; only its name or metadata make it one of images.
    usual = {*marked, *_IMAGE_NAMES}
    candidates += [f.name for f in schema if _is_binary(f.type) and f.name in usual]
    for names in ([name for name in candidates if name in marked], candidates):
        if len(names) == 1:
            return names[0]
        for name in _IMAGE_NAMES:
            if name in names:
                return name
    likely = next((name for name in schema.names if name in usual), None)
    if candidates:
        reason = f"the columns {', '.join(candidates)} hold images; choose by --image-field"
    elif likely is not None:
        reason = f"{_no_images(schema, likely)}; it has the columns {columns_text(schema)}"
    else:
        reason = (
            f"it has the columns {columns_text(schema)}; expected one of images, "
            "image: struct<bytes: binary, path: string>, or --image-field for one of binary"
        )
    raise SourceError(f"{display_name}: {reason}")


def _no_images(schema: ArrowSchema, name: str) -> str:
    if name not in schema.names:
        return f"there is no such column; the columns are {', '.join(schema.names)}"
    kind = schema.field(name).type
    if is_text(kind):
        return f"its column {name} holds paths or URLs of images, not the images themselves"
    if _is_list(kind):
        return f"its column {name} holds lists; a row must hold one image"
    return f"its column {name} is of {str(kind)[:_SHOWN]}; expected images as bytes"


def find_label_column(
    schema: ArrowSchema, features: Features, display_name: str, wanted: str | None
) -> str | None:
    """Name of the column of labels, which are numbers or class names; None without labels.

    ``wanted`` is ``--label-field``; None where it is not given.

    Raises:
        SourceError: If several columns may be it, or if it holds neither numbers nor text.
    """
    if wanted == NO_LABELS:
        return None
    name = wanted if wanted is not None else _guess_label(schema, features, display_name)
    if name is None:
        return None
    if name not in schema.names:
        columns = ", ".join(schema.names)
        raise SourceError(
            f"{display_name}: --label-field {name}: no such column; the columns are {columns}"
        )
    kind = schema.field(name).type
    if not _is_label(kind):
        kind_text = (
            "lists, so that an image may have several labels" if _is_list(kind) else str(kind)
        )
        raise SourceError(
            f"{display_name}: its column {name} is of {kind_text[:_SHOWN]}; expected whole numbers "
            f"or text; name another column by --label-field, or add --label-field {NO_LABELS} "
            "for no labels"
        )
    return name


def _guess_label(schema: ArrowSchema, features: Features, display_name: str) -> str | None:
    usual = [name for name in _LABEL_NAMES if name in schema.names]
    marked = _marked(schema, features)
    # A column called "label" comes first, then one that the metadata mark as labels.
    candidates: list[str] = [*(name for name in usual if name in marked), *usual, *marked]
    if usual or len(marked) == 1:
        return candidates[0]
    maybe = marked or [name for name in schema.names if name.lower() in _MAYBE_LABELS]
    if not maybe:
        return None
    raise SourceError(
        f"{display_name}: which column holds the labels? It may be {' or '.join(maybe)}; add "
        f"--label-field {maybe[0]}, or --label-field {NO_LABELS} for no labels"
    )


def _marked(schema: ArrowSchema, features: Features) -> list[str]:
    """Columns that Hugging Face's metadata mark as labels."""
    return [n for n in schema.names if features.get(n, {}).get("_type") == "ClassLabel"]


def find_other_labels(schema: ArrowSchema, features: Features, label: str | None) -> list[str]:
    """Finds further columns of labels, by their names or their metadata."""
    marked = _marked(schema, features)
    names = dict.fromkeys([*marked, *(n for n in schema.names if n in _LABEL_NAMES)])
    return [name for name in names if name != label]


def labels_of(column: Any, display_name: str) -> list[int | str | None]:  # noqa: ANN401
    """The labels in an Arrow array, as numbers or text; None for an image without one.

    Raises:
        SourceError: If a label is not a whole number, or is too large.
    """
    kind = column.type
    if types.is_null(kind):
        return [None] * len(column)
    if types.is_dictionary(kind):
        return labels_of(column.dictionary_decode(), display_name)
    if is_text(kind):
        return [None if text == "-1" else text for text in column.to_pylist()]
    if types.is_floating(kind):
        # pandas turns whole numbers with gaps into floats, and the gaps into NaN.
        column = pc.if_else(pc.is_nan(column.cast(pa.float64())), None, column.cast(pa.float64()))
    try:
        numbers = column.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise SourceError(
            f"{display_name}: its labels are not whole numbers ({str(error).splitlines()[0]})"
        ) from error
    return [None if number == -1 else number for number in numbers.to_pylist()]


def columns_text(schema: ArrowSchema) -> str:
    """Names and types of all columns, shortened."""
    text = ", ".join(f"{field.name}: {field.type}" for field in schema)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _in_structs(kind: ArrowType) -> bool:
    is_struct = types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    return bool(is_struct and _is_binary(kind.field("bytes").type))


def _is_binary(kind: ArrowType) -> bool:
    return _is_one_of(kind, types.is_binary, types.is_large_binary, types.is_binary_view)


def is_text(kind: ArrowType) -> bool:
    """Whether an Arrow type is text, or a dictionary of texts."""
    if types.is_dictionary(kind):
        return is_text(kind.value_type)
    return _is_one_of(kind, types.is_string, types.is_large_string, types.is_string_view)


def _is_list(kind: ArrowType) -> bool:
    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_list_view)
    return _is_one_of(kind, *lists)


def _is_label(kind: ArrowType) -> bool:
    if types.is_dictionary(kind):
        return _is_label(kind.value_type)
    numbers = (types.is_integer, types.is_floating, types.is_boolean, types.is_null)
    return is_text(kind) or _is_one_of(kind, *numbers)


def _is_one_of(kind: ArrowType, *tests: Callable[[Any], bool]) -> bool:
    return any(test(kind) for test in tests)
