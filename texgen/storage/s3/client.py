"""The S3 clients of this process."""

from __future__ import annotations

import os
import threading
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from texgen.storage.errors import StoreError
from texgen.storage.network.certificates import check_bundle
from texgen.storage.network.proxies import proxy_for
from texgen.storage.s3.address import endpoint_from_environment

CONNECT_S = 10
READ_S = 60
_CONNECTIONS = 64

_clients: dict[str | None, Any] = {}
_credentials: dict[str | None, Any] = {}
_guard = threading.Lock()


def client(endpoint: str | None) -> Any:  # noqa: ANN401 - boto3 ships no types
    """This process's client for an endpoint, which all of its threads may use.

    Raises:
        StoreError: If the environment's settings contradict each other.
        ConfigError: If its proxies or certificates cannot be used.
    """
    with _guard:
        if endpoint not in _clients:
            _clients[endpoint] = _connect(endpoint)
        return _clients[endpoint]


def _connect(endpoint: str | None) -> Any:  # noqa: ANN401 - boto3 ships no types
    try:
        # boto3's default session may have settings of other code in this process.
        session = boto3.Session()
        _credentials[endpoint] = session.get_credentials()
        signed = _credentials[endpoint] is not None
        config = Config(
            signature_version=None if signed else UNSIGNED,
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            max_pool_connections=_CONNECTIONS,
            proxies=_proxies(endpoint),
            # `retry` retries, and covers the reading of an answer's body too.
            retries={"total_max_attempts": 1},
            # Other stores know no trailing checksums; uploads carry an MD5 instead.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        region = session.region_name or ("us-east-1" if endpoint else None)
        # None leaves it to the profile, else to boto3's own.
        verify = check_bundle() if _scheme(endpoint) == "https" else None
        connected = session.client(
            "s3",
            endpoint_url=endpoint,
            config=config,
            region_name=region,
            verify=str(verify) if verify else None,
        )
    except (BotoCoreError, ValueError) as error:
        reason = f"the settings cannot be used: {error}; check AWS_PROFILE and other variables"
        raise StoreError("S3", reason) from error
    connected.meta.events.register_last("before-parameter-build.s3.ListObjectsV2", _unencoded)
    return connected


def _unencoded(params: dict[str, Any], **_: object) -> None:
    """Lists names unencoded: boto3 asks for URL encoding, which s3s-fs claims and does not do."""
    params.pop("EncodingType", None)


def _proxies(endpoint: str | None) -> dict[str, str] | None:
    """Proxies for boto3; None if it finds them by itself, since it alone knows Amazon's hosts."""
    url = endpoint or endpoint_from_environment()
    if url is None:
        return None
    proxy = proxy_for(url)
    return {_scheme(url): proxy} if proxy else {}


def _scheme(endpoint: str | None) -> str:
    return (endpoint or endpoint_from_environment() or "https").partition("://")[0].lower()


def credentials_of(endpoint: str | None) -> Any:  # noqa: ANN401 - boto3 ships no types
    """The credentials that a client has found; None if its requests are unsigned.

    Raises:
        StoreError, ConfigError: See `client`.
    """
    client(endpoint)
    return _credentials[endpoint]


def secrets_of(endpoint: str | None) -> tuple[str, ...]:
    """Parts of a client's credentials, which no message may show."""
    credentials = _credentials.get(endpoint)
    if credentials is None:
        return ()
    try:
        frozen = credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError):
        # Credentials of a role that cannot be renewed were in no request.
        return ()
    return tuple(word for word in (frozen.access_key, frozen.secret_key, frozen.token) if word)


def is_signed(connected: Any) -> bool:  # noqa: ANN401 - boto3 ships no types
    """Whether a client found credentials."""
    return connected.meta.config.signature_version is not UNSIGNED


def _forget() -> None:
    # A forked process must not use the connections of its parent.
    global _clients, _credentials, _guard
    _clients, _credentials, _guard = {}, {}, threading.Lock()


os.register_at_fork(after_in_child=_forget)
