"""Uploads: checksums of what is sent, and large files in parts."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from texgen.storage.errors import StoreError, WrongBytesError
from texgen.storage.store import Content, size_of

MULTIPART_BYTES = 64 << 20
"""Larger files go up in parts."""

_PART_BYTES = 16 << 20
_MOST_PARTS = 9_000
"""A little below what S3 takes."""

_BLOCK = 1 << 20

Call = Callable[..., Any]
"""Sends a request: name of boto3's method, verb and path for errors, boto3's parameters."""


def opened(content: Content) -> BinaryIO:
    """The content as an open file."""
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def is_large(content: Content) -> bool:
    """Whether the content is sent in parts."""
    return size_of(content) > MULTIPART_BYTES


def content_md5(content: Content, sha256: str | None = None) -> str:
    """The ``Content-MD5`` of a body: the only check of an upload that every store knows.

    Args:
        content: The body; it is read once, so that what the store accepts has this ``sha256`` too.
        sha256: Checksum that it must have, hex; None for any.

    Raises:
        WrongBytesError: If it has another.
    """
    md5, sums = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with opened(content) as file:
        while block := file.read(_BLOCK):
            md5.update(block)
            if sha256 is not None:
                sums.update(block)
    if sha256 is not None:
        _check_sha256(sums, sha256, content)
    return base64.b64encode(md5.digest()).decode()


def _check_sha256(sums: hashlib._Hash, sha256: str, content: Content) -> None:
    if sums.hexdigest() != sha256:
        what = "the data to be sent" if isinstance(content, bytes) else content
        raise WrongBytesError(
            f"{what} is damaged: its bytes are not those that were made, and were not sent; "
            "check this machine's disk, and start again"
        )


def send_parts(
    call: Call, path: str, content: Content, sha256: str | None, condition: Mapping[str, str]
) -> str:
    """Sends a large object in parts, on a condition, and returns its ETag; see `Store.put`.

    The upload is aborted if it does not complete, so that its parts cost nothing.
    """
    metadata = {"Metadata": {"sha256": sha256}} if sha256 else {}
    begun = call("create_multipart_upload", "write", path, **metadata)
    of = {"UploadId": begun["UploadId"]}
    completed = False
    try:
        parts = list(_parts(call, path, content, sha256, of))
        whole = {"MultipartUpload": {"Parts": parts}}
        answer = call("complete_multipart_upload", "write", path, **of, **whole, **condition)
        completed = True
        etag: str = answer["ETag"]
        return etag
    finally:
        if not completed:
            # The error on the way counts; what cannot be aborted is left to the bucket's lifecycle.
            with contextlib.suppress(StoreError):
                call("abort_multipart_upload", "abort", path, **of)


def _parts(
    call: Call, path: str, content: Content, sha256: str | None, of: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Sends the parts, and gives what completes them once their checksum has been checked."""
    size = max(_PART_BYTES, -(-size_of(content) // _MOST_PARTS))
    sums = hashlib.sha256()
    with opened(content) as file:
        number = 0
        while data := file.read(size):
            sums.update(data)
            number += 1
            part = {"PartNumber": number, "Body": data, "ContentMD5": content_md5(data)}
            answer = call("upload_part", "write", path, **of, **part)
            yield {"ETag": answer["ETag"], "PartNumber": number}
    if sha256 is not None:
        _check_sha256(sums, sha256, content)


def abort_all(request: Call, prefix: str) -> None:
    """Aborts all unfinished uploads below a prefix, as far as that is allowed."""
    with contextlib.suppress(StoreError):
        page: dict[str, Any] = {"Prefix": prefix}
        while True:
            answer = request("list_multipart_uploads", "list the uploads of", "", **page)
            for begun in answer.get("Uploads", ()):
                of = {"Key": begun["Key"], "UploadId": begun["UploadId"]}
                with contextlib.suppress(StoreError):
                    request("abort_multipart_upload", "abort", "", **of)
            if not answer.get("IsTruncated"):
                return
            page["KeyMarker"] = answer["NextKeyMarker"]
            page["UploadIdMarker"] = answer["NextUploadIdMarker"]
