"""What the names of files in WebDataset shards say: which sample they are of, and what part."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from texgen.core.types import ArrowTable
from texgen.source.base import NO_LABELS
from texgen.source.member_names import member_path

_ROWS = 1 << 13
_EXTENSION = r"\.[^/]*\z"
_EMPTY_STEP = r"(^|/)\.?/"
"""In names whose paths are shorter. `member_path` takes them, but Arrow is faster by far."""

_LABEL_BYTES = 256
_JSON_BYTES = 1 << 20
_JSON = "json"
_LABEL_KEYS = ("label", "cls", "class", "class_id", "class_name", "category", "target")
"""Keys by which people write labels into JSON."""

UNREADABLE = b"\xff"
"""Stands in the index for a label that no rule can read."""


def sample_key(path: bytes) -> bytes:
    """The path up to the first dot of its last step: WebDataset's rule."""
    folder, slash, name = path.rpartition(b"/")
    return folder + slash + name.partition(b".")[0]


def extension(name: bytes) -> bytes:
    """What follows the first dot of a file's name, in lower case: WebDataset's other rule."""
    return name.rpartition(b"/")[2].partition(b".")[2].lower()


def side_by_side(index: ArrowTable) -> ArrowTable:
    """An index with the files of each sample next to each other, in the order of first files.

    ``tar`` without ``--sort`` takes files as the folder gives them.
    """
    if len(index) < 2:
        return index
    batches = index.select(["name"]).to_batches(max_chunksize=_ROWS)
    encoded = (
        pa.chunked_array([_keys(batch.column(0)) for batch in batches])
        .combine_chunks()
        .dictionary_encode()
    )
    codes = encoded.indices
    runs = 1 + (pc.sum(pc.not_equal(codes[1:], codes[:-1])).as_py() or 0)
    if runs == len(encoded.dictionary):
        return index
    # The sort is stable: the files of a sample stay in the order of the tar.
    return index.take(pc.sort_indices(codes))


def _keys(names: Any) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """`sample_key` of each name's path; the name's own where it has none."""
    if not pc.any(pc.match_substring_regex(names, _EMPTY_STEP)).as_py():
        return pc.replace_substring_regex(names, _EXTENSION, "")
    paths = (member_path(name) or name for name in names.to_pylist())
    return pa.array([sample_key(path) for path in paths], pa.large_binary())


class LabelFiles:
    """Finds the files of labels in tars, and what in them is the label.

    Args:
        field: An extension; ``json.KEY`` for a key of the JSON; `NO_LABELS`; None is ``cls``.
    """

    def __init__(self, field: str | None) -> None:
        self.field = field or "cls"
        self._key = ""
        name = self.field
        if name.startswith(f"{_JSON}."):
            name, _, self._key = name.partition(".")
        self._suffix = b"." + name.lower().encode("utf-8", "surrogateescape")
        self._none = field == NO_LABELS
        self._limit = _JSON_BYTES if self._key else _LABEL_BYTES

    def fits(self, name: bytes) -> bool:
        """Whether a file is one of labels."""
        return not self._none and name.lower().endswith(self._suffix)

    def is_small(self, size: int) -> bool:
        """Whether a file of so many bytes may be one."""
        return size <= self._limit

    def label(self, data: bytes) -> bytes | None:
        """The label as text; None where the file holds none."""
        if not self._key:
            return data
        try:
            value = json.loads(data).get(self._key)
        except (ValueError, AttributeError, RecursionError):
            return UNREADABLE
        if isinstance(value, (bool, int, float)):
            return str(value + 0).encode()
        if isinstance(value, str):
            return value.encode("utf-8", "replace")
        return None if value is None else UNREADABLE


def label_key(data: bytes) -> str | None:
    """The key in a sample's JSON that seems to be its label."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    fitting = (key for key in _LABEL_KEYS if isinstance(found.get(key), (int, str)))
    return next(fitting, None)
