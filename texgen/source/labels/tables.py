"""Tables of files and their classes, in the forms in which data sets contain them."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from texgen.source.base import is_image_name

_FILES = ("file", "file_name", "filename", "image", "path", "imageid")
_CLASSES = ("class", "label", "class_name", "predictionstring")
_PREDICTION = "predictionstring"
_DELIMITERS = (",", "\t", ";")
_BOX = 4
"""Number of columns after file and class in Tiny-ImageNet's `val_annotations.txt`."""

_EXPECTED = (
    "expected the columns file,class, or ImageId,PredictionString as Kaggle's "
    "LOC_val_solution.csv has them"
)
_KNOWN_OTHER_FORMS = (
    (
        re.compile(r"[0-9]+ +\S+\.\w+|[0-9]+ +[0-9]+"),
        "it looks like CUB-200-2011's images.txt or image_class_labels.txt, whose images lie in "
        "class folders; name that folder images as --src, without --labels",
    ),
    (
        re.compile(r"[0-9]+"),
        "its lines are numbers, not names of files; ILSVRC-2012's ground truth is read from its "
        "development kit, the tar or its folder",
    ),
    (re.compile(r"\[.*"), "it is one JSON list; expected CSV, or a JSON object per line"),
)


class LabelRow(NamedTuple):
    """A file's class.

    Attributes:
        line: Number of its line, from 1 on.
        file: Name or path of the file.
        class_name: Name of its class.
    """

    line: int
    file: str
    class_name: str


def parse_label_table(text: str) -> Iterator[LabelRow]:
    """Parses a table of files and classes.

    A table is CSV with commas, semicolons or tabs and a header that names the columns, in any
    order; lines of JSON objects; ``file class``, with a space or tab and without a header; or
    Tiny-ImageNet's file, class and box.

    Raises:
        ValueError: If the table has another form, or a line is wrong; the message names the line.
    """
    rows = _json_rows(text) if text.lstrip().startswith("{") else _rows(text)
    for row in rows:
        for column, value in (("file", row.file), ("class", row.class_name)):
            if not value:
                raise ValueError(
                    f"line {row.line} has an empty {column}; fill it in, or take the line out"
                )
        if "\n" in row.class_name:
            raise ValueError(_open_quote(row.line))
        yield row


def _rows(text: str) -> Iterator[LabelRow]:
    first = next(filter(str.strip, text.split("\n")), "")
    for delimiter in _DELIMITERS:
        cells = _cells(first, delimiter)
        header = [cell.lower().replace(" ", "_") for cell in cells]
        if columns := _columns(header):
            yield from _below_header(text, delimiter, columns, header)
            return
        if is_image_name(cells[0].encode()) and _is_row(cells[1:]):
            for line, row in _csv(text, delimiter):
                yield _label_row(line, row, (0, 1), len(cells))
            return
    if is_image_name(first.rpartition(" ")[0].strip().encode()):
        yield from _spaced(text)
        return
    known = (text for form, text in _KNOWN_OTHER_FORMS if form.fullmatch(first.strip()))
    raise ValueError(f"{next(known, _EXPECTED)}; its first line is {first[:60]!r}")


def _cells(line: str, delimiter: str) -> list[str]:
    """The cells of one line, at least one; the line itself if it is not CSV."""
    try:
        row = next(csv.reader([line], delimiter=delimiter), None)
    except csv.Error:
        row = None
    return [cell.strip() for cell in row or [line]]


def _spaced(text: str) -> Iterator[LabelRow]:
    """Rows of lines with a file, a space and its class, as in Caffe's lists."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            file, _, class_name = line.strip().rpartition(" ")
            yield LabelRow(number, file.strip(), class_name)


def _is_row(others: Sequence[str]) -> bool:
    """Whether the columns after a file's name are a class, or a class and a box."""
    box = others[1:]
    return len(others) == 1 or (len(box) == _BOX and all(cell.isdecimal() for cell in box))


def _columns(header: Sequence[str]) -> tuple[int, int] | None:
    """Indices of the columns of file and class; None if the header does not name both.

    Raises:
        ValueError: If several columns may be one of them.
    """
    if "file" in header and "class" in header:
        return header.index("file"), header.index("class")
    files = [name for name in _FILES if name in header]
    classes = [name for name in _CLASSES if name in header]
    if not files or not classes:
        return None
    for names in (files, classes):
        if len(names) > 1:
            raise ValueError(f"its columns {' and '.join(names)} mean the same; keep one of them")
    return header.index(files[0]), header.index(classes[0])


def _below_header(
    text: str, delimiter: str, columns: tuple[int, int], header: Sequence[str]
) -> Iterator[LabelRow]:
    for line, row in itertools.islice(_csv(text, delimiter), 1, None):
        label_row = _label_row(line, row, columns, len(header))
        if header[columns[1]] == _PREDICTION:
            # "n01440764 112 69 398 300", and further boxes of the same class.
            class_name, *_ = label_row.class_name.split() or [""]
            label_row = label_row._replace(class_name=class_name)
        yield label_row


def _label_row(line: int, row: Sequence[str], columns: tuple[int, int], width: int) -> LabelRow:
    cells = [cell.strip() for cell in row]
    if len(cells) <= max(columns):
        message = f"line {line} has {len(cells)} of {width} columns; complete it, or take it out"
        if any("\n" in cell for cell in cells):
            message = _open_quote(line)
        raise ValueError(message)
    if any(cells[width:]):
        raise ValueError(
            f"line {line} has {len(cells)} columns where the first has {width}; "
            "put names that hold the separator in quotes"
        )
    return LabelRow(line, cells[columns[0]], cells[columns[1]])


def _csv(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """First line number and cells of each row that is not empty."""
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            ended = "unexpected end" in str(error)
            raise ValueError(_open_quote(line) if ended else f"line {line}: {error}") from error
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield line, row


def _open_quote(line: int) -> str:
    return f'line {line}: a quote (") is opened and not closed in this line'


def _json_rows(text: str) -> Iterator[LabelRow]:
    for line, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        try:
            values = json.loads(row)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"line {line} is not a JSON object ({error})") from error
        names = list(values) if isinstance(values, dict) else []
        columns = _columns([name.lower() for name in names])
        if columns is None:
            raise ValueError(f"line {line} has no file_name and label; {_EXPECTED}")
        file, class_name = (values[names[column]] for column in columns)
        if isinstance(class_name, bool) or not isinstance(class_name, (str, int)):
            raise ValueError(f"line {line}: its {names[columns[1]]} is not a name or a number")  # noqa: TRY004 - the file is wrong, not a caller
        yield LabelRow(line, str(file).strip(), str(class_name).strip())
