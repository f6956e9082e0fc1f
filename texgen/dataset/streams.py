"""``s3://`` for `webdataset`: it knows no such scheme, and a pipe to a program is a shell."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

from texgen.storage.s3.address import Address, parse
from texgen.storage.s3.bucket import Bucket
from texgen.storage.s3.file import open_object


def open_stream(url: str, mode: str = "rb", bufsize: int = 8192, **_: object) -> BinaryIO:
    """Opens an object for reading, as `webdataset.gopen.gopen_schemes` wants it.

    Raises:
        ValueError: If it is not to be read.
        StorageError: If it cannot be.
    """
    if mode[0] != "r":
        message = f"{url} can be read only"
        raise ValueError(message)
    address = parse(url)
    folder, _slash, name = address.prefix.rpartition("/")
    raw = open_object(Bucket(Address(address.bucket, folder)), name)
    return cast(BinaryIO, io.BufferedReader(raw, max(bufsize, io.DEFAULT_BUFFER_SIZE)))
