"""Bytes somewhere: folders, buckets and web servers behind `Store`, and OUT as a `Sink`.

Nothing here knows of images or textures. Errors are one line and name no credentials.
"""

from __future__ import annotations

from texgen.storage.errors import scratch_root, storage_errors
from texgen.storage.locations import open_store, open_stream_store
from texgen.storage.scratch import scratch_folder
from texgen.storage.sink import Sink
from texgen.storage.store import Store, StreamStore

__all__ = [
    "Sink",
    "Store",
    "StreamStore",
    "open_store",
    "open_stream_store",
    "scratch_folder",
    "scratch_root",
    "storage_errors",
]
