"""Helpers that tests of buckets share."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from texgen.storage import Sink


def draft(sink: Sink, data: bytes) -> tuple[Path, str]:
    path = sink.scratch() / f"{threading.get_ident()}.part"
    path.write_bytes(data)
    return path, hashlib.sha256(data).hexdigest()


def commit(sink: Sink, path: str, data: bytes, *, replace: bool = False) -> None:
    file, sha256 = draft(sink, data)
    sink.commit(file, path, sha256, replace=replace)
    assert not file.exists()
