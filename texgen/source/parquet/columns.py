"""Which columns of a Parquet file hold the images and their labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from texgen.core.errors import SourceError
from texgen.source.base import NO_LABELS

Features = Mapping[str, Mapping[str, Any]]
"""What Hugging Face's library says of each column; nothing where others wrote the file."""

_IMAGE_NAMES = ("image", "img")
_LABEL_NAMES = ("label", "labels", "fine_label")
_MAYBE_LABELS = (
    "class", "class_id", "class_label", "class_name", "classname", "cls", "category", "category_id",
    "category_name", "label_id", "label_name", "target", "targets",
)  # fmt: skip
"""Columns that are likely to be labels; nobody knows which numbers and names are in them."""

_SHOWN = 200


def image_column(schema: Any, features: Features, where: str, wanted: str | None) -> str:  # noqa: ANN401
    """Name of the column of images: structs with ``bytes``, or the bytes themselves.

    Args:
        schema: Arrow schema of the file.
        features: See `Features`.
        where: Name of the file, for people.
        wanted: ``--image-field``; None where it is to be found.

    Raises:
        SourceError: If there is none, or none that is known; names the columns.
    """
    if wanted is not None:
        if wanted in schema.names and (
            _in_structs(kind := schema.field(wanted).type) or _is_binary(kind)
        ):
            return wanted
        raise SourceError(f"{where}: --image-field {wanted}: {_no_images(schema, wanted)}")
    marked = {name for name, about in features.items() if about.get("_type") == "Image"}
    found: list[str] = [f.name for f in schema if _in_structs(f.type)]
    # Plain bytes may be anything, unless their name says that they are images.
    usual = {*marked, *_IMAGE_NAMES}
    found += [f.name for f in schema if _is_binary(f.type) and f.name in usual]
    for names in ([name for name in found if name in marked], found):
        if len(names) == 1:
            return names[0]
        for name in _IMAGE_NAMES:
            if name in names:
                return name
    likely = next((name for name in schema.names if name in usual), None)
    if found:
        why = f"the columns {', '.join(found)} hold images; choose by --image-field"
    elif likely is not None:
        why = f"{_no_images(schema, likely)}; it has the columns {columns_text(schema)}"
    else:
        why = (
            f"it has the columns {columns_text(schema)}; expected one of images, "
            "image: struct<bytes: binary, path: string>, or --image-field for one of binary"
        )
    raise SourceError(f"{where}: {why}")


def _no_images(schema: Any, name: str) -> str:  # noqa: ANN401 - pyarrow ships no types
    if name not in schema.names:
        return f"there is no such column; there are {', '.join(schema.names)}"
    kind = schema.field(name).type
    if is_text(kind):
        return f"its column {name} holds paths or URLs of images, not the images themselves"
    if _is_list(kind):
        return f"its column {name} holds lists; a row must hold one image"
    return f"its column {name} is of {str(kind)[:_SHOWN]}; expected images as bytes"


def label_column(
    schema: Any,  # noqa: ANN401 - pyarrow ships no types
    features: Features,
    where: str,
    wanted: str | None,
) -> str | None:
    """Name of the column of labels: numbers or class names; None without one.

    Args:
        schema: See `image_column`, and so the next two.
        features: Likewise.
        where: Likewise.
        wanted: ``--label-field``; None where it is to be found.

    Raises:
        SourceError: If several columns may be the one, or its type is not one of labels.
    """
    if wanted == NO_LABELS:
        return None
    name = wanted if wanted is not None else _found_label(schema, features, where)
    if name is None:
        return None
    if name not in schema.names:
        there = ", ".join(schema.names)
        raise SourceError(f"{where}: --label-field {name}: no such column; there are {there}")
    kind = schema.field(name).type
    if not _is_label(kind):
        what = "lists, so that an image may have several labels" if _is_list(kind) else str(kind)
        message = (
            f"{where}: its column {name} is of {what[:_SHOWN]}; expected whole numbers or text, in "
            f"another column by --label-field, or --label-field {NO_LABELS} for no labels"
        )
        raise SourceError(message)
    return name


def _found_label(schema: Any, features: Features, where: str) -> str | None:  # noqa: ANN401
    usual = [name for name in _LABEL_NAMES if name in schema.names]
    marked = _marked(schema, features)
    # "label" comes first, then what is marked as one.
    candidates: list[str] = [*(name for name in usual if name in marked), *usual, *marked]
    if usual or len(marked) == 1:
        return candidates[0]
    maybe = marked or [name for name in schema.names if name.lower() in _MAYBE_LABELS]
    if not maybe:
        return None
    raise SourceError(
        f"{where}: which column holds the labels? It may be {' or '.join(maybe)}; add "
        f"--label-field {maybe[0]}, or --label-field {NO_LABELS} for no labels"
    )


def _marked(schema: Any, features: Features) -> list[str]:  # noqa: ANN401
    """The columns that Hugging Face's metadata mark as labels."""
    return [n for n in schema.names if features.get(n, {}).get("_type") == "ClassLabel"]


def other_labels(schema: Any, features: Features, label: str | None) -> list[str]:  # noqa: ANN401
    """The columns that also hold labels, by their names or marks."""
    marked = _marked(schema, features)
    names = dict.fromkeys([*marked, *(n for n in schema.names if n in _LABEL_NAMES)])
    return [name for name in names if name != label]


def labels_of(column: Any, where: str) -> list[int | str | None]:  # noqa: ANN401
    """The labels of an Arrow array, as numbers or text; None for what has none.

    Raises:
        SourceError: If a number is not a whole one, or is too large.
    """
    kind = column.type
    if pa.types.is_null(kind):
        return [None] * len(column)
    if pa.types.is_dictionary(kind):
        return labels_of(column.dictionary_decode(), where)
    if is_text(kind):
        return [None if text == "-1" else text for text in column.to_pylist()]
    if pa.types.is_floating(kind):
        # Those who have gaps in their numbers write them so.
        column = pc.if_else(pc.is_nan(column.cast(pa.float64())), None, column.cast(pa.float64()))
    try:
        numbers = column.cast(pa.int64())
    except pa.ArrowInvalid as error:
        message = f"{where}: its labels are not whole numbers ({str(error).splitlines()[0]})"
        raise SourceError(message) from error
    return [None if number == -1 else number for number in numbers.to_pylist()]


def columns_text(schema: Any) -> str:  # noqa: ANN401 - pyarrow ships no types
    """Names and types of all columns, shortened."""
    text = ", ".join(f"{field.name}: {field.type}" for field in schema)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _in_structs(kind: Any) -> bool:  # noqa: ANN401 - pyarrow ships no types
    is_struct = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    return bool(is_struct and _is_binary(kind.field("bytes").type))


def _is_binary(kind: Any) -> bool:  # noqa: ANN401 - pyarrow ships no types
    return _is_one_of(kind, ("is_binary", "is_large_binary", "is_binary_view"))


def is_text(kind: Any) -> bool:  # noqa: ANN401 - pyarrow ships no types
    """Whether a type is text, or a dictionary of texts."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return _is_one_of(kind, ("is_string", "is_large_string", "is_string_view"))


def _is_list(kind: Any) -> bool:  # noqa: ANN401 - pyarrow ships no types
    return _is_one_of(kind, ("is_list", "is_large_list", "is_fixed_size_list", "is_list_view"))


def _is_label(kind: Any) -> bool:  # noqa: ANN401 - pyarrow ships no types
    if pa.types.is_dictionary(kind):
        return _is_label(kind.value_type)
    return is_text(kind) or _is_one_of(kind, ("is_integer", "is_floating", "is_boolean", "is_null"))


def _is_one_of(kind: Any, tests: Iterable[str]) -> bool:  # noqa: ANN401 - pyarrow ships no types
    # Older versions of Arrow lack some of these types.
    known = (getattr(pa.types, test, None) for test in tests)
    return any(test(kind) for test in known if test is not None)
