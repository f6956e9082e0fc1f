"""`S3Store`: objects of a bucket. Every request of texgen to S3 is made here or in `upload`.

What cannot be a path on disk is no file here either: keys with an empty step, with ``.`` or
``..``, and the objects without bytes that consoles make for folders.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

from texgen.core.config import Part
from texgen.core.layout import PROBE
from texgen.storage.entries import Entry
from texgen.storage.errors import (
    ConditionFailedError,
    MissingFileError,
    OutOfRangeError,
    StoreError,
    UnsupportedError,
)
from texgen.storage.ranges import PinnedFile
from texgen.storage.s3.address import SCHEME, Address
from texgen.storage.s3.client import client, is_signed, secrets_of
from texgen.storage.s3.errors import foreign_answer, s3_error
from texgen.storage.s3.lease import LeaseLock
from texgen.storage.s3.retry import ATTEMPTS, retried
from texgen.storage.s3.upload import abort_all, content_md5, is_large, opened, send_parts
from texgen.storage.store import ANYTHING, NOTHING, Content, FileRange, Store, Written

_IF_ABSENT, _IF_MATCH = "IfNoneMatch", "IfMatch"

_atomic: dict[tuple[Address, str | None, str], bool] = {}
"""By store and condition: whether the store checks that condition of a write."""


@dataclass(frozen=True, slots=True)
class S3Store(Store):
    """Objects below one prefix of a bucket; see `texgen.storage.store.Store`.

    Connections belong to the process that uses the store. An error is raised once a request's
    tries are used up. Requests are not signed if there are no credentials.

    Attributes:
        address: Bucket and prefix.
        endpoint: URL of an S3-compatible store; None is the one that the environment names.
        attempts: Tries of a request.
        parallel: See `Store`.
        stream_bytes: See `Store`; a request that breaks costs no more than these.
    """

    address: Address
    endpoint: str | None = None
    attempts: int = ATTEMPTS
    parallel: ClassVar[int] = 16
    stream_bytes: ClassVar[int] = 8 << 20

    def place(self, path: str = "") -> str:
        """See `Store.place`."""
        return f"{SCHEME}{self.address.bucket}/{self._key(path)}".rstrip("/")

    def list(self, folder: str = "") -> Iterator[tuple[str, int]]:
        """See `Store.list`."""
        base = self.address.key("")
        for page in self._pages(folder):
            for found in page.get("Contents", ()):
                # Consoles make an object without bytes for a folder.
                if not found["Key"].endswith("/"):
                    yield found["Key"].removeprefix(base), found["Size"]

    def scan(self, folder: str, *, hidden: bool = False) -> Iterator[Entry]:
        """See `Store.scan`."""
        for name, size in self._names(folder):
            if name and (hidden or not name.startswith(".")):
                yield Entry(name.encode(), size)

    def kind(self, path: str) -> str | None:
        """See `Store.kind`; a folder and an object of one name are a folder."""
        # Two, since the first may be the folder itself.
        if next(self._names(path, most=2), None) or not self._key(path):
            return "folder"
        with contextlib.suppress(FileNotFoundError):
            self.head(path)
            return "file"
        return None

    def head(self, path: str) -> FileRange:
        """See `Store.head`."""
        return self._range("look at", path, self._call("head_object", "look at", path), b"")

    def get_range(
        self, path: str, start: int = 0, end: int | None = None, etag: str | None = None
    ) -> FileRange:
        """See `Store.get_range`."""
        asked = {"Range": f"bytes={start}-{'' if end is None else end - 1}"}
        asked = {} if start == 0 and end is None else asked
        asked |= {_IF_MATCH: etag} if etag else {}

        def read(**parameters: Any) -> tuple[dict[str, Any], bytes]:  # noqa: ANN401 - boto3's
            answer = client(self.endpoint).get_object(**parameters)
            with contextlib.closing(answer["Body"]) as body:
                return answer, body.read()

        try:
            answer, data = self._call(read, "read", path, **asked)
        except ConditionFailedError as error:
            raise self._changed(path) from error
        except OutOfRangeError:
            # No range of an object without bytes can be asked for.
            if start:
                raise
            return self.head(path)
        found = self._range("read", path, answer, data)
        if etag and found.etag != etag:
            # Some stores ignore the condition.
            raise self._changed(path)
        return found

    def open(self, path: str) -> PinnedFile:
        """See `Store.open`; nothing is requested before it is wanted."""
        return PinnedFile(self, path, f"{self.endpoint or ''} {self.place(path)}")

    def put(
        self, path: str, content: Content, sha256: str | None = None, *, over: str = ANYTHING
    ) -> Written:
        """See `Store.put`; a local file stays where it is."""
        if over == ANYTHING:
            return Written(self._put(path, content, sha256, {}))
        name, value = (_IF_ABSENT, "*") if over == NOTHING else (_IF_MATCH, over)
        if self.checks_condition(name):
            try:
                return Written(self._put(path, content, sha256, {name: value}))
            except UnsupportedError:
                # Some stores know one of the two conditions.
                _atomic[self.address, self.endpoint, name] = False
        self._check_first(path, over)
        return Written(self._put(path, content, sha256, {}), atomic=False)

    def checks_condition(self, name: str = _IF_ABSENT) -> bool:
        """Whether the store refuses a write whose condition, by boto3's name, does not hold.

        A process that has to find out writes an object without bytes, once.
        """
        known = (self.address, self.endpoint, name)
        if known not in _atomic:
            _atomic[known] = self._probe() if name == _IF_ABSENT else self.checks_condition()
        return _atomic[known]

    def _probe(self) -> bool:
        try:
            # The object is there after the first write, at the latest.
            for _ in range(2):
                self._put(PROBE, b"", None, {_IF_ABSENT: "*"})
        except ConditionFailedError:
            return True
        except UnsupportedError:
            return False
        return False

    def _check_first(self, path: str, over: str) -> None:
        """Checks a condition before a write, for stores that do not check it themselves."""
        try:
            found = self.head(path)
        except FileNotFoundError:
            if over == NOTHING:
                return
            raise
        if found.etag != over:
            raise ConditionFailedError(self.place(path), "it is there already", "write")

    def _put(
        self, path: str, content: Content, sha256: str | None, condition: Mapping[str, str]
    ) -> str:
        """Sends an object in one request, or a large one in parts; its ETag."""
        if is_large(content):
            return send_parts(self._call, path, content, sha256, condition)
        about = {"ContentMD5": content_md5(content, sha256)}
        metadata = {"Metadata": {"sha256": sha256}} if sha256 else {}

        def send(**parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3's
            with opened(content) as data:
                answer: dict[str, Any] = client(self.endpoint).put_object(Body=data, **parameters)
                return answer

        etag: str = self._call(send, "write", path, **about, **condition, **metadata)["ETag"]
        return etag

    def delete(self, path: str) -> None:
        """See `Store.delete`."""
        with contextlib.suppress(MissingFileError):
            self._call("delete_object", "delete", path)

    def discard_uploads(self, *, retries: bool = True) -> None:
        """See `Store.discard_uploads`."""
        store = self if retries else replace(self, attempts=1)
        abort_all(store._request, self.address.key(""))

    def lock(self, part: Part | None) -> LeaseLock:
        """See `Store.lock`."""
        return LeaseLock(self, part)

    def _names(self, folder: str, most: int | None = None) -> Iterator[tuple[str, int | None]]:
        """Up to ``most`` names in a folder, page by page: files with bytes, folders with None."""
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
        most: int | None = None,
        **parameters: Any,  # noqa: ANN401 - boto3's
    ) -> Iterator[dict[str, Any]]:
        parameters |= {"Prefix": self._prefix(folder), **({"MaxKeys": most} if most else {})}
        while True:
            answer = self._request("list_objects_v2", "list", folder, **parameters)
            yield answer
            if not answer.get("IsTruncated") or most:
                return
            parameters["ContinuationToken"] = answer["NextContinuationToken"]

    def _prefix(self, folder: str) -> str:
        key = self._key(folder)
        return f"{key}/" if key else ""

    def _key(self, path: str) -> str:
        path = os.fsencode(path).decode()
        if path.startswith(SCHEME):
            path = path.removeprefix(f"{SCHEME}{self.address.bucket}")
            # The slashes around it are dropped as `parse` drops those of an address.
            return path.strip("/")
        return self.address.key(path) if path else self.address.prefix

    def _call(self, send: str | Callable[..., Any], verb: str, path: str, **of: Any) -> Any:  # noqa: ANN401 - boto3's
        """Sends a request about the object at a path."""
        return self._request(send, verb, path, Key=self._key(path), **of)

    def _request(self, send: str | Callable[..., Any], verb: str, path: str, **of: Any) -> Any:  # noqa: ANN401 - boto3's
        """Sends a request about the bucket, as often as it takes.

        ``send`` is the name of a client's method, or a function to call instead of one; ``verb``
        and ``path`` are for errors.
        """
        connected, place = client(self.endpoint), self.place(path)
        request = getattr(connected, send) if isinstance(send, str) else send

        def explain(error: Exception) -> StoreError:
            signed, secrets = is_signed(connected), secrets_of(self.endpoint)
            return s3_error(verb, place, error, signed=signed, secrets=secrets)

        return retried(lambda: request(Bucket=self.address.bucket, **of), explain, self.attempts)

    def _range(self, verb: str, path: str, answer: Mapping[str, Any], data: bytes) -> FileRange:
        """What the headers of an answer say of an object."""
        _, _, size = answer.get("ContentRange", "").partition("/")
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        sha256 = answer.get("Metadata", {}).get("sha256")
        try:
            age = parsedate_to_datetime(date) - answer["LastModified"] if date else None
            whole, etag = int(size or answer["ContentLength"]), answer["ETag"]
        except (KeyError, TypeError, ValueError) as error:
            raise foreign_answer(verb, self.place(path)) from error
        return FileRange(data, whole, etag, age.total_seconds() if age else 0.0, sha256)
