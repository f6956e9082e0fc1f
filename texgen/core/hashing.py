"""SHA-256 of files and streams."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

_BLOCK = 1 << 20


def sha256_file(path: Path) -> str:
    """SHA-256 of the file at ``path``, hex."""
    with path.open("rb") as file:
        return sha256_stream(file)


def sha256_stream(file: Any) -> str:  # noqa: ANN401 - pyarrow ships no types
    """SHA-256, hex, of the rest of an open binary file."""
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()
