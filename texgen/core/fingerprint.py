"""The fingerprint of a data set: a hash of its settings and of what is known of its images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any


def canonical_json(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Returns JSON with sorted keys, without white space, in ASCII: equal values, equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def fingerprint(config: Mapping[str, Any], sources: Mapping[str, str]) -> str:
    """Returns the SHA-256, hex, of a configuration and the images.

    Args:
        config: Result of `DatasetConfig.canonical`.
        sources: Digest of a split's images (`SourceDigest`) by split name.
    """
    return hashlib.sha256(canonical_json({"config": config, "sources": sources})).hexdigest()


class SourceDigest:
    """SHA-256 over the (key, source, bytes, label) of a split's images, in key order."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, key: str, source: str, size: int, label: int | None) -> None:
        """Adds the next image."""
        # The same bytes as `canonical_json` of the list, which would set up an encoder per image.
        number = "null" if label is None else label
        line = f"[{_quoted(key)},{_quoted(source)},{size},{number}]\n"
        self._hash.update(line.encode("ascii"))

    def hexdigest(self) -> str:
        """Returns the digest of all images so far."""
        return self._hash.hexdigest()


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Returns one phrase for each field in which two canonical configurations differ."""
    return [
        f"{name} was {_value_text(old.get(name))} and is now {_value_text(new.get(name))}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _value_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return "not set" if value is None else repr(value)
