"""Retries of requests: exponential pauses with full jitter, a bounded number of times."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from texgen.storage.errors import StoreError
from texgen.storage.s3.errors import is_retryable

_Answer = TypeVar("_Answer")

ATTEMPTS = 10
"""Half a minute of pauses on average, a minute at most."""

_FIRST_S = 0.2
_LONGEST_S = 20.0

_log = logging.getLogger(__name__)


def retried(
    call: Callable[[], _Answer],
    explain: Callable[[Exception], StoreError],
    attempts: int = ATTEMPTS,
) -> _Answer:
    """The answer to a request that may be sent several times.

    Args:
        call: Sends the request and reads all of the answer.
        explain: Makes the error to report of one of boto3.
        attempts: Tries in all.

    Raises:
        StoreError: If the last try failed, or one with an error that no retry can change.
    """
    for attempt in range(1, attempts + 1):
        try:
            return call()
        except (ClientError, BotoCoreError, ResponseParserError, HTTPError) as error:
            failed = explain(error)
            if not is_retryable(error) or attempt == attempts:
                raise failed from error
            # Without a handler, Python would print it to the user's terminal.
            if _log.hasHandlers():
                _log.warning("try %d of %d: %s", attempt, attempts, failed)
        _pause(attempt)
    raise AssertionError


def _pause(attempt: int) -> None:
    time.sleep(random.uniform(0, min(_LONGEST_S, _FIRST_S * 2 ** (attempt - 1))))  # noqa: S311
