"""A file's bytes against the index."""

from __future__ import annotations

from collections.abc import Iterator

from texgen.core.hashing import sha256_stream
from texgen.core.types import ArrowFile


def byte_faults(path: str, size: int, sha256: str, stream: ArrowFile) -> Iterator[str]:
    """Faults of an open file's bytes; leaves it at its begin."""
    found = stream.size()
    if found != size:
        yield f"{path}: {found} bytes, the index says {size}"
        return
    digest = sha256_stream(stream)
    stream.seek(0)
    if digest != sha256:
        yield f"{path}: its bytes are not those of the index"
