"""Objects below one prefix: every request of texgen to a store is one of these."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from texgen.storage.s3.address import Address
from texgen.storage.s3.body import Body, body_md5, opened
from texgen.storage.s3.client import client, is_signed, secrets_of
from texgen.storage.s3.errors import (
    ConditionFailedError,
    MissingObjectError,
    OutOfRangeError,
    foreign_answer,
)
from texgen.storage.s3.retry import ATTEMPTS, retried

Send = str | Callable[..., Any]


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object, or some of it.

    Attributes:
        data: What was asked for of its bytes.
        size: Bytes of all of it.
        etag: Changes with its bytes.
        age_s: Seconds since it was written, by the store's own clock.
        sha256: As it was committed, hex; None where it was not.
    """

    data: bytes
    size: int
    etag: str
    age_s: float
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Bucket:
    """The objects below one address; its paths are relative to that.

    A mere name, which pickles: connections belong to the process that uses it. All
    methods raise `StorageError` once their tries are used up.

    Attributes:
        address: Where the objects lie.
        endpoint: URL of an S3-compatible store; None is what the environment names.
        attempts: Tries of a request.
    """

    address: Address
    endpoint: str | None = None
    attempts: int = ATTEMPTS

    def get(
        self, path: str, start: int = 0, end: int | None = None, etag: str | None = None
    ) -> StoredObject:
        """Reads an object, or the bytes from ``start`` to before ``end``.

        Args:
            path: Of the object.
            start: First byte.
            end: Cut off at the object's end; None is that.
            etag: What the object must have, None for any.

        Raises:
            MissingObjectError: If there is none.
            ConditionFailedError: If it has another ``etag``.
        """
        wanted = {"Range": f"bytes={start}-{'' if end is None else end - 1}"}
        wanted = {} if start == 0 and end is None else wanted
        wanted |= {"IfMatch": etag} if etag else {}

        def read(**of: Any) -> tuple[dict[str, Any], bytes]:  # noqa: ANN401 - boto3's parameters
            answer = client(self.endpoint).get_object(**of)
            with contextlib.closing(answer["Body"]) as body:
                return answer, body.read()

        try:
            answer, data = self._call(read, "read", path, **wanted)
        except OutOfRangeError:
            # No part of an object without bytes can be asked for.
            if start:
                raise
            return self.head(path)
        found = self._found("read", path, answer, data)
        if etag and found.etag != etag:
            # Some stores take no notice of the condition.
            deed = f"cannot read {self.address.url(path)}"
            raise ConditionFailedError(deed, "it has changed while it was read")
        return found

    def head(self, path: str) -> StoredObject:
        """What is known of an object without its bytes.

        Raises:
            MissingObjectError: If there is none.
        """
        return self._found("look at", path, self._call("head_object", "look at", path), b"")

    def put(
        self, path: str, body: Body, condition: Mapping[str, str], sha256: str | None = None
    ) -> str:
        """Writes an object, all of it or nothing.

        Args:
            path: Of the object.
            body: Its bytes, or a local file of them.
            condition: ``IfNoneMatch`` or ``IfMatch``; nothing writes over any object.
            sha256: What the body must have, hex; kept beside the object.

        Returns:
            Its ETag.

        Raises:
            ConditionFailedError: If the object is not as demanded; a try whose answer was lost
                may have made it so.
            MissingObjectError: If there is none, but one was demanded.
            WrongBytesError: If the body has another ``sha256``.
        """
        digest = body_md5(body, sha256)
        about = {"Metadata": {"sha256": sha256}} if sha256 else {}

        def send(**to: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3's parameters
            with opened(body) as data:
                answer: dict[str, Any] = client(self.endpoint).put_object(Body=data, **to)
                return answer

        etag: str = self._call(send, "write", path, ContentMD5=digest, **condition, **about)["ETag"]
        return etag

    def delete(self, path: str) -> None:
        """Deletes an object, if it is there."""
        with contextlib.suppress(MissingObjectError):
            self._call("delete_object", "delete", path)

    def list(self, folder: str = "", most: int | None = None) -> Iterator[tuple[str, int]]:
        """Path and bytes of the objects below a folder, page by page.

        Args:
            folder: Path of the folder; all objects for ``""``.
            most: Objects that are asked for; None is all.
        """
        base = self.address.key("")
        for page in self._pages(folder, most):
            for found in page.get("Contents", ()):
                # Consoles make an object without bytes for a folder.
                if not found["Key"].endswith("/"):
                    yield found["Key"].removeprefix(base), found["Size"]

    def names(self, folder: str = "", most: int | None = None) -> Iterator[tuple[str, int | None]]:
        """What lies in a folder itself, page by page: a file's name and bytes, a folder's and None.

        Args:
            folder: See `list`.
            most: Names that are asked for; None is all.
        """
        base = self._prefix(folder)
        for page in self._pages(folder, most, Delimiter="/"):
            for found in page.get("CommonPrefixes", ()):
                yield found["Prefix"].removeprefix(base)[:-1], None
            for found in page.get("Contents", ()):
                # The folder itself, as consoles make it.
                if found["Key"] != base:
                    yield found["Key"].removeprefix(base), found["Size"]

    def _pages(
        self,
        folder: str,
        most: int | None,
        **of: Any,  # noqa: ANN401 - boto3's parameters
    ) -> Iterator[dict[str, Any]]:
        of |= {"Prefix": self._prefix(folder), **({"MaxKeys": most} if most else {})}
        while True:
            answer = self.call("list_objects_v2", "list", folder, **of)
            yield answer
            if not answer.get("IsTruncated") or most:
                return
            of["ContinuationToken"] = answer["NextContinuationToken"]

    def _prefix(self, folder: str) -> str:
        return self.address.key(f"{folder}/" if folder else "")

    def call(self, send: Send, verb: str, path: str, **of: Any) -> Any:  # noqa: ANN401 - boto3's
        """Sends a request about the bucket, as often as it takes.

        Args:
            send: Name of a client's method, or what is called instead of one.
            verb: What the request does, for errors.
            path: To what, for errors.
            of: Its parameters.
        """
        connected = client(self.endpoint)
        request = getattr(connected, send) if isinstance(send, str) else send
        return retried(
            lambda: request(Bucket=self.address.bucket, **of),
            verb,
            self.address.url(path),
            signed=is_signed(connected),
            secrets=lambda: secrets_of(self.endpoint),
            attempts=self.attempts,
        )

    def _call(self, send: Send, verb: str, path: str, **of: Any) -> Any:  # noqa: ANN401 - boto3's
        return self.call(send, verb, path, Key=self.address.key(path), **of)

    def _found(self, verb: str, path: str, answer: Mapping[str, Any], data: bytes) -> StoredObject:
        _, _, size = answer.get("ContentRange", "").partition("/")
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        sha256 = answer.get("Metadata", {}).get("sha256")
        try:
            age = parsedate_to_datetime(date) - answer["LastModified"] if date else None
            whole, etag = int(size or answer["ContentLength"]), answer["ETag"]
        except (KeyError, TypeError, ValueError) as error:
            raise foreign_answer(verb, self.address.url(path)) from error
        return StoredObject(data, whole, etag, age.total_seconds() if age else 0.0, sha256)
