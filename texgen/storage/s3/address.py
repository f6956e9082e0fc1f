"""Parses ``s3://bucket/prefix``, and the endpoint that the environment names."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from texgen.core.errors import ConfigError

SCHEME = "s3://"

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_ENDPOINT = re.compile(r"https?://[^\s'\"]+", re.IGNORECASE)
_NOT_FOLDERS = {"", ".", ".."}


@dataclass(frozen=True, slots=True)
class Address:
    """A folder of a bucket.

    Attributes:
        bucket: Name of the bucket.
        prefix: Prefix of the keys, without slashes around it; empty for all of the bucket.
    """

    bucket: str
    prefix: str

    def key(self, path: str) -> str:
        """The key of a path below the folder."""
        return f"{self.prefix}/{path}" if self.prefix else path

    def overlaps(self, other: Address) -> bool:
        """Whether one of the two lies inside the other."""
        one, two = f"{self.prefix}/", f"{other.prefix}/"
        inside = one.startswith(two) or two.startswith(one) or "/" in (one, two)
        return self.bucket == other.bucket and inside


def parse(url: str) -> Address:
    """Bucket and prefix of a URL.

    Raises:
        ConfigError: If it is not the URL of a bucket; what may be a password is not shown.
    """
    if not url.startswith(SCHEME):
        scheme = url.partition("://")[0]
        if scheme == "hf":
            raise ConfigError(
                f"{url}: only texgen publish and download take hf://: `texgen download {url} --out "
                f"DIR` gets a data set of textures, and `texgen publish OUT {url}` sends one"
            )
        raise ConfigError(f"{scheme}:// is not known here; name a folder, or s3://bucket/prefix")
    bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
    is_valid = _BUCKET.fullmatch(bucket)
    if not is_valid and set(url[len(SCHEME) :]) & {"@", ":"}:
        raise ConfigError(
            "a bucket is named s3://bucket/prefix; credentials come from the environment"
        )
    if not is_valid:
        raise ConfigError(
            f"{url}: {bucket!r} is not a valid name of a bucket; write s3://bucket/prefix"
        )
    prefix = prefix.strip("/")
    if prefix and not _NOT_FOLDERS.isdisjoint(prefix.split("/")):
        raise ConfigError(f"{url}: the prefix has an empty name, . or ..; write s3://bucket/prefix")
    return Address(bucket, prefix)


def endpoint_from_environment() -> str | None:
    """The endpoint that the usual variables name, None for Amazon's own.

    Raises:
        ConfigError: If it is not a URL.
    """
    if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    name = next((name for name in names if os.environ.get(name)), None)
    if name is None:
        return None
    if not _ENDPOINT.fullmatch(os.environ[name]):
        # It may hold a password.
        raise ConfigError(
            f"{name} is not a URL such as https://host:port; look for quotes and blanks in it"
        )
    return os.environ[name]
