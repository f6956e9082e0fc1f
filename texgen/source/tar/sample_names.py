"""Rules for file names in WebDataset shards: which sample a file belongs to, and as which part."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from texgen.core.types import ArrowTable
from texgen.source.base import NO_LABELS
from texgen.source.paths import member_path

_ROWS = 1 << 13
_EXTENSION = r"\.[^/]*\z"
_EMPTY_STEP = r"(^|/)\.?/"
"""Steps that `member_path` removes from a name; Arrow is far faster on names without them."""

_LABEL_BYTES = 256
_JSON_BYTES = 1 << 20
_JSON = "json"
_LABEL_KEYS = ("label", "cls", "class", "class_id", "class_name", "category", "target")
"""Common keys of labels in JSON."""

UNREADABLE = b"\xff"
"""Marks a label in the index that no rule can read."""


def sample_key(path: bytes) -> bytes:
    """The path up to the first dot of its last step: WebDataset's rule."""
    folder, slash, name = path.rpartition(b"/")
    return folder + slash + name.partition(b".")[0]


def extension(name: bytes) -> bytes:
    """The part of a file's name behind its first dot, in lower case: WebDataset's other rule."""
    return name.rpartition(b"/")[2].partition(b".")[2].lower()


def group_samples(index: ArrowTable) -> ArrowTable:
    """Sorts an index so that the files of each sample lie side by side.

    Samples come in the order of their first files. GNU tar without ``--sort=name`` stores files
    in the order of the folder, which may be any.
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
    """`sample_key` of each member's path, or of its name where `member_path` gives None."""
    if not pc.any(pc.match_substring_regex(names, _EMPTY_STEP)).as_py():
        return pc.replace_substring_regex(names, _EXTENSION, "")
    paths = (member_path(name) or name for name in names.to_pylist())
    return pa.array([sample_key(path) for path in paths], pa.large_binary())


class LabelFiles:
    """Finds the label files in tars and reads their labels.

    Args:
        field: Extension of label files; ``json.KEY`` for a key of JSON files; `NO_LABELS`; None
            is ``cls``.

    Attributes:
        max_bytes: Size of a label file, at most.
    """

    def __init__(self, field: str | None) -> None:
        self.field = field or "cls"
        self._key = ""
        name = self.field
        if name.startswith(f"{_JSON}."):
            name, _, self._key = name.partition(".")
        self._suffix = b"." + name.lower().encode("utf-8", "surrogateescape")
        self._none = field == NO_LABELS
        self.max_bytes = _JSON_BYTES if self._key else _LABEL_BYTES

    def fits(self, name: bytes) -> bool:
        """Whether a file name is that of a label file."""
        return not self._none and name.lower().endswith(self._suffix)

    def label(self, data: bytes) -> bytes | None:
        """The label in a label file, as text; None without one."""
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
        sample = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(sample, dict):
        return None
    keys = (key for key in _LABEL_KEYS if isinstance(sample.get(key), (int, str)))
    return next(keys, None)
