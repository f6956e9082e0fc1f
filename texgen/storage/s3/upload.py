"""A file becomes an object in one step, and never in the place of another."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from texgen.core.errors import ShardConflictError, StorageError
from texgen.core.hashing import sha256_stream
from texgen.core.layout import PROBE
from texgen.storage.s3.body import Body, body_md5, check_sha256, opened, size_of
from texgen.storage.s3.bucket import Bucket
from texgen.storage.s3.errors import (
    ChangedUploadError,
    ConditionFailedError,
    MissingObjectError,
    UnsupportedError,
)
from texgen.storage.s3.file import open_object

MULTIPART_BYTES = 64 << 20
"""Larger files go up in parts."""

_PART_BYTES = 16 << 20
_MOST_PARTS = 9_000
"""A little below what S3 takes."""

_ROUNDS = 5
_FREE = {"IfNoneMatch": "*"}

_honour: dict[tuple[object, str | None], bool] = {}


def commit(bucket: Bucket, body: Body, path: str, sha256: str, *, replace: bool = False) -> None:
    """Makes ``body`` the object ``path``.

    Args:
        bucket: Where it goes.
        body: Its bytes, or a local file of them, which stays.
        path: Of the object.
        sha256: Of the body, hex; checked as it is read.
        replace: Whether an object of other bytes is written over, not an error.

    Raises:
        ShardConflictError: If an object of other bytes is there.
        WrongBytesError: If the body has another ``sha256``; then it is not there.
        StorageError: If it cannot be written.
    """
    if replace and _is_there(bucket, body, path, sha256):
        # Written over, it would change under those who are reading it.
        return
    for _ in range(_ROUNDS):
        condition = {} if replace else _condition(bucket, path)
        if condition is not None and _sent(bucket, body, path, sha256, condition):
            return
        found = committed_sha256(bucket, path)
        if found == sha256:
            return
        if found is not None and not replace:
            url = bucket.address.url(path)
            message = (
                f"{url} is there with other bytes (sha256 {found[:12]}…, made {sha256[:12]}…): "
                "delete it, and check that all nodes run the same texgen"
            )
            raise ShardConflictError(message)
    message = f"cannot write {bucket.address.url(path)}: others delete or write it; stop them"
    raise StorageError(message)


def _condition(bucket: Bucket, path: str) -> dict[str, str] | None:
    """On which an object may be written so that none is written over; None if one is there."""
    if honours_conditions(bucket):
        return _FREE
    return {} if committed_sha256(bucket, path) is None else None


def honours_conditions(bucket: Bucket) -> bool:
    """Whether the store refuses to write over an object when it is told to; asked once.

    A process that has to find out writes an object without bytes.
    """
    known = (bucket.address, bucket.endpoint)
    if known not in _honour:
        _honour[known] = _probed(bucket)
    return _honour[known]


def _probed(bucket: Bucket) -> bool:
    try:
        # It is there after the first, at the latest.
        for _ in range(2):
            bucket.put(PROBE, b"", _FREE)
    except ConditionFailedError:
        return True
    except UnsupportedError:
        return False
    return False


def committed_sha256(bucket: Bucket, path: str) -> str | None:
    """SHA-256 of an object, hex; None where there is none."""
    try:
        known = bucket.head(path).sha256
        # Others copy objects without what is kept beside them.
        return known or sha256_stream(open_object(bucket, path))
    except MissingObjectError:
        return None


def _is_there(bucket: Bucket, body: Body, path: str, sha256: str) -> bool:
    try:
        found = bucket.head(path)
    except MissingObjectError:
        return False
    return found.sha256 == sha256 and found.size == size_of(body)


def _sent(bucket: Bucket, body: Body, path: str, sha256: str, condition: Mapping[str, str]) -> bool:
    """Sends a body; False where the object that is there must be looked at."""
    try:
        if size_of(body) <= MULTIPART_BYTES:
            bucket.put(path, body, condition, sha256)
        else:
            _send_parts(bucket, body, path, sha256, condition)
    except (ConditionFailedError, ChangedUploadError):
        return False
    return True


def _send_parts(
    bucket: Bucket, body: Body, path: str, sha256: str, condition: Mapping[str, str]
) -> None:
    key = bucket.address.key(path)
    about = {"Key": key, "Metadata": {"sha256": sha256}}
    upload = bucket.call("create_multipart_upload", "write", path, **about)
    of: dict[str, Any] = {"Key": key, "UploadId": upload["UploadId"]}
    completed = False
    try:
        parts = list(_parts(bucket, body, path, sha256, of))
        whole = {"MultipartUpload": {"Parts": parts}}
        bucket.call("complete_multipart_upload", "write", path, **of, **whole, **condition)
        completed = True
    finally:
        if not completed:
            abort(bucket, path, of)


def _parts(
    bucket: Bucket, body: Body, path: str, sha256: str, of: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Sends a body in parts; what completes it, once all of it has been seen to be right."""
    size = max(_PART_BYTES, -(-size_of(body) // _MOST_PARTS))
    sums = hashlib.sha256()
    with opened(body) as file:
        number = 0
        while data := file.read(size):
            sums.update(data)
            number += 1
            part = {"PartNumber": number, "Body": data, "ContentMD5": body_md5(data)}
            answer = bucket.call("upload_part", "write", path, **of, **part)
            yield {"ETag": answer["ETag"], "PartNumber": number}
    check_sha256(sums, sha256, body)


def abort(bucket: Bucket, path: str, of: Mapping[str, str]) -> None:
    """Throws an unfinished upload away, so that its parts cost nothing."""
    # One that cannot be is left to the bucket's lifecycle; the error on the way counts.
    with contextlib.suppress(StorageError):
        bucket.call("abort_multipart_upload", "abort", path, **of)


def abort_all(bucket: Bucket) -> None:
    """Throws all unfinished uploads below the address away, as far as that is allowed."""
    with contextlib.suppress(StorageError):
        page: dict[str, Any] = {"Prefix": bucket.address.key("")}
        while True:
            answer = bucket.call("list_multipart_uploads", "list the uploads of", "", **page)
            for upload in answer.get("Uploads", ()):
                abort(bucket, "", {"Key": upload["Key"], "UploadId": upload["UploadId"]})
            if not answer.get("IsTruncated"):
                return
            page["KeyMarker"] = answer["NextKeyMarker"]
            page["UploadIdMarker"] = answer["NextUploadIdMarker"]
