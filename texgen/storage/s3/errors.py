"""Answers of S3 as errors that name the object, the reason and a hint."""

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

from texgen.core.text import escape_unprintable
from texgen.storage.errors import (
    ConditionFailedError,
    MissingFileError,
    OutOfRangeError,
    StoreError,
    UnsupportedError,
)
from texgen.storage.network.causes import RETRYABLE_STATUS, cause_of, proxy_cause
from texgen.storage.network.proxies import host_url

_RETRYABLE = {
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
# botocore has another class for connections that are refused or not made; if the body of an error
# breaks off, the exception is not botocore's at all.
_BROKEN = (NoConnectionError, HTTPClientError, IncompleteReadError, ChecksumError, HTTPError)

_RENEW = "renew the credentials"
_REGION = "name the bucket's region in AWS_DEFAULT_REGION"
_HINTS = {
    "AccessDenied": "give these credentials the permissions that docs/s3.md lists",
    "AllAccessDisabled": "ask the owner of the bucket",
    "AuthorizationHeaderMalformed": _REGION,
    "EntityTooLarge": "use a smaller --samples-per-shard",
    "ExpiredToken": _RENEW,
    "IllegalLocationConstraintException": _REGION,
    "InvalidAccessKeyId": "name a key that this store knows in AWS_ACCESS_KEY_ID",
    "InvalidBucketName": "name a bucket",
    "InvalidObjectState": "restore the object from its archive first",
    "InvalidToken": _RENEW,
    "NoSuchBucket": "check its name, and make it first if it is to be OUT's",
    # Stores that use the crate s3s answer this for a key that they do not know.
    "NotSignedUp": "name a key that this store knows in AWS_ACCESS_KEY_ID",
    "PermanentRedirect": _REGION,
    "QuotaExceeded": "make room there, or raise the quota",
    "RequestTimeTooSkewed": "set this machine's clock",
    "SignatureDoesNotMatch": "check AWS_SECRET_ACCESS_KEY",
    "SlowDown": "try later, or with fewer --workers",
    "TokenRefreshRequired": _RENEW,
    "XMinioStorageFull": "make room there",
}
_KINDS: dict[str | int, type[StoreError]] = {
    "NoSuchKey": MissingFileError,
    "NoSuchVersion": MissingFileError,
    # The upload was completed or aborted.
    "NoSuchUpload": ConditionFailedError,
    "PreconditionFailed": ConditionFailedError,
    412: ConditionFailedError,
    "InvalidRange": OutOfRangeError,
    416: OutOfRangeError,
    "NotImplemented": UnsupportedError,
    501: UnsupportedError,
}
_REASONS = {"NoSuchKey": "it is not there", "NoSuchBucket": "there is no such bucket"}
_CODE_OF_STATUS = {"301": "PermanentRedirect", "403": "AccessDenied", "404": "NoSuchKey"}
_NO_CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_LATER = "try again later"
_MOST_WORDS = 300
_FOREIGN = ("the answer is not that of S3", "check --s3-endpoint")


def is_retryable(error: Exception) -> bool:
    """Whether the same request may succeed after a while."""
    if isinstance(error, ClientError):
        return code_of(error) in _RETRYABLE or _status(error) in RETRYABLE_STATUS
    if isinstance(error, _BROKEN):
        return cause_of(error).retryable
    return isinstance(error, ResponseParserError)


def code_of(error: ClientError) -> str:
    """The store's code; that of the status if the answer has no body."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return _CODE_OF_STATUS.get(code, code)


def s3_error(
    verb: str, url: str, error: Exception, *, signed: bool, secrets: Sequence[str] = ()
) -> StoreError:
    """A `StoreError`: ``cannot VERB URL: reason; hint``.

    Args:
        verb: What was to be done.
        url: What it was to be done with.
        error: The exception of boto3 or below it.
        signed: Whether there were credentials.
        secrets: Texts that the quoted answer of the store must not show.
    """
    if not isinstance(error, ClientError):
        return StoreError(url, "; ".join(_of_connection(error)), verb)
    code, status = code_of(error), _status(error)
    words = _words(error, secrets)
    if status == 407:
        return StoreError(url, str(proxy_cause("407")), verb)
    kind = _KINDS.get(code) or _KINDS.get(status, StoreError)
    if status == 409 and error.operation_name == "CompleteMultipartUpload":
        kind = ConditionFailedError
    hint = _HINTS.get(code, _LATER if is_retryable(error) else "")
    if code == "AccessDenied" and "quota" in words.lower():
        # Garage has no code of its own for it.
        hint = _HINTS["QuotaExceeded"]
    elif code == "AccessDenied" and not signed:
        code, hint = "AccessDenied, and there are no credentials", _NO_CREDENTIALS
    reason = _REASONS.get(code, f"the store says {code or status}") + (f"; {hint}" if hint else "")
    return kind(url, reason + (f" (its words: {words})" if words else ""), verb)


def _words(error: ClientError, secrets: Sequence[str]) -> str:
    """The store's own text, on one line; empty if it adds nothing to its status."""
    words = str(error.response.get("Error", {}).get("Message") or "")
    for secret in secrets:
        # Whole words only: the secrets of a store that somebody tries out may be short.
        words = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "…", words)
    words = escape_unprintable(" ".join(words.split())).rstrip(".")
    status = http.client.responses.get(_status(error), "")
    if words.lower() in ("", status.lower(), code_of(error).lower()):
        return ""
    return words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS]}…"


def foreign_answer(verb: str, url: str) -> StoreError:
    """The error of an answer that no S3 gives, such as that of a web server."""
    return StoreError(url, "; ".join(_FOREIGN), verb)


def _of_connection(error: Exception) -> tuple[str, str]:
    if isinstance(error, NoCredentialsError):
        return "there are no credentials", _NO_CREDENTIALS
    if isinstance(error, PartialCredentialsError):
        return "half of the credentials are missing", _NO_CREDENTIALS
    if isinstance(error, CredentialRetrievalError):
        return "the credentials cannot be fetched", _RENEW
    if isinstance(error, _BROKEN):
        cause = cause_of(error)
        return (
            f"no answer{_from_where(error)} ({cause.reason})",
            cause.hint or "check the network and --s3-endpoint",
        )
    if isinstance(error, ResponseParserError):
        return _FOREIGN
    if isinstance(error, BotoCoreError):
        return f"{type(error).__name__}", "check the settings for S3"
    return f"{type(error).__name__}", _LATER


def _from_where(error: Exception) -> str:
    """The server or proxy that was asked, without the rest of its URL, which may be secret."""
    about = getattr(error, "kwargs", {})
    if proxy := host_url(str(about.get("proxy_url", ""))):
        return f" through {proxy}"
    server = host_url(str(about.get("endpoint_url", "")))
    return f" from {server}" if server else ""


def _status(error: ClientError) -> int:
    about: dict[str, Any] = error.response.get("ResponseMetadata", {})
    return int(about.get("HTTPStatusCode", 0))
