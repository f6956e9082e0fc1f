"""What a store answers, as an error that names the thing and the mend."""

from __future__ import annotations

import http.client
import re
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from texgen.core.errors import StorageError
from texgen.core.text import escape_unprintable
from texgen.storage.network.causes import Cause, cause_of, of_proxy
from texgen.storage.network.proxies import shown


class StoreError(StorageError):
    """What a store said to a request.

    Args:
        deed: What could not be done: ``cannot read s3://…``.
        why: What was said, and the mend.
    """

    def __init__(self, deed: str, why: str) -> None:
        super().__init__(deed, why)
        self.why = why

    def __str__(self) -> str:
        return f"{self.args[0]}: {self.why}"


class MissingObjectError(StoreError):
    """There is no such object."""


class ConditionFailedError(StoreError):
    """The object is not as the request demanded, so nothing was done."""


class ChangedObjectError(StoreError):
    """The object was written anew since its first bytes were read."""


class ChangedUploadError(StoreError):
    """A multipart upload cannot be completed: a conflict, or it was completed or aborted."""


class OutOfRangeError(StoreError):
    """The object does not reach to the bytes that were asked for."""


class UnsupportedError(StoreError):
    """The store does not know what was asked of it."""


class WrongBytesError(StorageError):
    """What was to be sent is not what it was said to be, so that it is not there now."""


_PASSING = {
    "BadDigest",
    "ConditionalRequestConflict",
    "IncompleteBody",
    "InternalError",
    "OperationAborted",
    "RequestLimitExceeded",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
# A store that is refused or not reached is no HTTPClientError; an error's own body that breaks off
# is not botocore's error at all.
_BROKEN = (NoConnectionError, HTTPClientError, IncompleteReadError, ChecksumError, HTTPError)
_PASSING_STATUS = {408, 429, 500, 502, 503, 504, 509}

_RENEW = "renew the credentials"
_REGION = "name the bucket's region in AWS_DEFAULT_REGION"
_MENDS = {
    "AccessDenied": "give these credentials the permissions that docs/s3.md lists",
    "AllAccessDisabled": "ask the owner of the bucket",
    "AuthorizationHeaderMalformed": _REGION,
    "EntityTooLarge": "take a smaller --samples-per-shard",
    "ExpiredToken": _RENEW,
    "IllegalLocationConstraintException": _REGION,
    "InvalidAccessKeyId": "name a key that this store knows in AWS_ACCESS_KEY_ID",
    "InvalidBucketName": "name a bucket",
    "InvalidObjectState": "restore the object from its archive first",
    "InvalidToken": _RENEW,
    "NoSuchBucket": "check its name, and make it first if it is to be OUT's",
    # What stores made of the s3s crate say to a key that they do not know.
    "NotSignedUp": "name a key that this store knows in AWS_ACCESS_KEY_ID",
    "PermanentRedirect": _REGION,
    "QuotaExceeded": "make room there, or raise the quota",
    "RequestTimeTooSkewed": "set this machine's clock",
    "SignatureDoesNotMatch": "check AWS_SECRET_ACCESS_KEY",
    "SlowDown": "try later, or with fewer --workers",
    "TokenRefreshRequired": _RENEW,
    "XMinioStorageFull": "make room there",
}
_CODE_OF_STATUS = {"301": "PermanentRedirect", "403": "AccessDenied", "404": "NoSuchKey"}
_NO_CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_LATER = "try again later"
_MOST_WORDS = 300
_FOREIGN = ("the answer is not that of S3", "check --s3-endpoint")


def is_passing(error: Exception) -> bool:
    """Whether the same request may succeed after a while."""
    if isinstance(error, ClientError):
        return code_of(error) in _PASSING or _status(error) in _PASSING_STATUS
    if isinstance(error, _BROKEN):
        cause = cause_of(error)
        return cause is None or cause.passing
    return isinstance(error, ResponseParserError)


def code_of(error: ClientError) -> str:
    """The store's code; of an answer without a body that of its status."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return _CODE_OF_STATUS.get(code, code)


def storage_error(
    verb: str, url: str, error: Exception, *, signed: bool, secrets: Sequence[str] = ()
) -> StoreError:
    """A `StoreError`: ``cannot write s3://…: why; mend``.

    Args:
        verb: What was to be done.
        url: With what.
        error: What it met.
        signed: Whether there were credentials.
        secrets: What the store's own words must not show.
    """
    deed = f"cannot {verb} {url}"
    if not isinstance(error, ClientError):
        return StoreError(deed, "; ".join(_of_connection(error)))
    code, status = code_of(error), _status(error)
    kind = _kind(code, status, str(error.operation_name))
    words = _words(error, secrets)
    if status == 407:
        return StoreError(deed, str(of_proxy("407")))
    mend = _MENDS.get(code, _LATER if is_passing(error) else "")
    if code == "AccessDenied" and "quota" in words.lower():
        # Garage has no code of its own for it.
        mend = _MENDS["QuotaExceeded"]
    elif code == "AccessDenied" and not signed:
        code, mend = "AccessDenied, and there are no credentials", _NO_CREDENTIALS
    why = _said(code, status) + (f"; {mend}" if mend else "")
    made = kind(deed, why + (f" (its words: {words})" if words else ""))
    if kind is MissingObjectError:
        # As a folder's errors say it.
        made.__cause__ = FileNotFoundError(url)
    return made


def _words(error: ClientError, secrets: Sequence[str]) -> str:
    """The store's own words, on one line; empty where it says no more than its status does."""
    words = str(error.response.get("Error", {}).get("Message") or "")
    for secret in secrets:
        # As a word: those of stores that somebody tries out are short.
        words = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "…", words)
    words = escape_unprintable(" ".join(words.split())).rstrip(".")
    status = http.client.responses.get(_status(error), "")
    if words.lower() in ("", status.lower(), code_of(error).lower()):
        return ""
    return words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS]}…"


def foreign_answer(verb: str, url: str) -> StoreError:
    """The error of an answer that no S3 gives, such as that of a server of web pages."""
    return StoreError(f"cannot {verb} {url}", "; ".join(_FOREIGN))


def _kind(code: str, status: int, operation: str) -> type[StoreError]:
    if code in {"NoSuchKey", "NoSuchVersion"}:
        return MissingObjectError
    if code == "NoSuchUpload" or (status == 409 and operation == "CompleteMultipartUpload"):
        return ChangedUploadError
    if status == 412 or code in {"PreconditionFailed", "412"}:
        return ConditionFailedError
    if status == 416 or code == "InvalidRange":
        return OutOfRangeError
    if status == 501 or code == "NotImplemented":
        return UnsupportedError
    return StoreError


def _said(code: str, status: int) -> str:
    known = {"NoSuchKey": "it is not there", "NoSuchBucket": "there is no such bucket"}
    if code in known:
        return known[code]
    return f"the store says {code or status}"


def _of_connection(error: Exception) -> tuple[str, str]:
    if isinstance(error, NoCredentialsError):
        return "there are no credentials", _NO_CREDENTIALS
    if isinstance(error, PartialCredentialsError):
        return "half of the credentials are missing", _NO_CREDENTIALS
    if isinstance(error, CredentialRetrievalError):
        return "the credentials cannot be fetched", _RENEW
    if isinstance(error, _BROKEN):
        cause = cause_of(error) or Cause(type(error).__name__)
        why = f"no answer{_from_where(error)} ({cause.why})"
        return why, cause.mend or "check the network and --s3-endpoint"
    if isinstance(error, ResponseParserError):
        return _FOREIGN
    if isinstance(error, BotoCoreError):
        return f"{type(error).__name__}", "check the settings for S3"
    return f"{type(error).__name__}", _LATER


def _from_where(error: Exception) -> str:
    """The server or proxy that was asked, without the rest of its URL, which may hold a secret."""
    about = getattr(error, "kwargs", {})
    if proxy := shown(str(about.get("proxy_url", ""))):
        return f" through {proxy}"
    server = shown(str(about.get("endpoint_url", "")))
    return f" from {server}" if server else ""


def _status(error: ClientError) -> int:
    about: dict[str, Any] = error.response.get("ResponseMetadata", {})
    return int(about.get("HTTPStatusCode", 0))
