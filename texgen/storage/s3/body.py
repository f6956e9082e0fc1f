"""What is sent: bytes, or a local file of them."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import BinaryIO

from texgen.storage.s3.errors import WrongBytesError

Body = bytes | Path
_BLOCK = 1 << 20


def opened(body: Body) -> BinaryIO:
    """The body as an open file."""
    return io.BytesIO(body) if isinstance(body, bytes) else body.open("rb")


def size_of(body: Body) -> int:
    """Its bytes."""
    return len(body) if isinstance(body, bytes) else body.stat().st_size


def body_md5(body: Body, sha256: str | None = None) -> str:
    """The ``Content-MD5`` of a body: the only check of an upload that every store knows.

    Args:
        body: Read once, so that what the store accepts has this ``sha256`` too.
        sha256: What it must have, hex; None for any.

    Raises:
        WrongBytesError: If it has another.
    """
    md5, sums = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with opened(body) as file:
        while block := file.read(_BLOCK):
            md5.update(block)
            if sha256 is not None:
                sums.update(block)
    if sha256 is not None:
        check_sha256(sums, sha256, body)
    return base64.b64encode(md5.digest()).decode()


def check_sha256(sums: hashlib._Hash, sha256: str, body: Body) -> None:
    """Checks the sum of a body that was read.

    Raises:
        WrongBytesError: If it is another than was said.
    """
    if sums.hexdigest() != sha256:
        what = "what is sent" if isinstance(body, bytes) else body
        message = (
            f"{what} is damaged: its bytes are not those that were made, and were not sent; "
            "check this machine's disk, and start again"
        )
        raise WrongBytesError(message)
