"""A process's connections."""

from __future__ import annotations

import os
import threading
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from texgen.errors import StorageError

CONNECT_S = 10
READ_S = 60
_CONNECTIONS = 64

_clients: dict[str | None, Any] = {}
_guard = threading.Lock()


def client(endpoint: str | None) -> Any:  # noqa: ANN401 - boto3 ships no types
    """This process's client, which all of its threads may use.

    Args:
        endpoint: URL of an S3-compatible store; None is what the environment names,
            or Amazon's.

    Raises:
        StorageError: If the environment's settings contradict themselves.
    """
    with _guard:
        if endpoint not in _clients:
            _clients[endpoint] = _connect(endpoint)
        return _clients[endpoint]


def _connect(endpoint: str | None) -> Any:  # noqa: ANN401 - boto3 ships no types
    try:
        # Not boto3's default session: others in this process may have settings of their own.
        session = boto3.Session()
        signed = session.get_credentials() is not None
        config = Config(
            signature_version=None if signed else UNSIGNED,
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            max_pool_connections=_CONNECTIONS,
            # `retry` does it, for what is read of an answer's body too.
            retries={"total_max_attempts": 1},
            # Others' stores know no trailing checksums; uploads carry an MD5 instead.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        region = session.region_name or ("us-east-1" if endpoint else None)
        return session.client("s3", endpoint_url=endpoint, region_name=region, config=config)
    except (BotoCoreError, ValueError) as error:
        message = f"the settings for S3 cannot be used: {error}; mend AWS_PROFILE and its like"
        raise StorageError(message) from error


def is_signed(connected: Any) -> bool:  # noqa: ANN401 - boto3 ships no types
    """Whether a client found credentials."""
    return connected.meta.config.signature_version is not UNSIGNED


def _forget() -> None:
    # A forked process must not talk on our connections
    global _clients, _guard
    _clients, _guard = {}, threading.Lock()


os.register_at_fork(after_in_child=_forget)
