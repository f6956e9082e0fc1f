"""An S3 server on this machine for tests, and buckets that are read without texgen's own code."""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

from texgen.core.layout import is_build_file, is_card_file

KEY, SECRET, TOKEN = "SENTINELKEYID0000001", "sentinel/secret+0000000001", "sentinel-token-0001"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_SESSION_TOKEN": TOKEN,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    # The user's own configuration must not be used.
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}


@contextlib.contextmanager
def running_server() -> Iterator[str]:
    """Runs a server on loopback; yields its URL."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Store:
    """A bucket of the test on the server.

    Attributes:
        endpoint: URL of the server.
        bucket: Name of the bucket.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.bucket = f"bucket-{uuid.uuid4().hex[:12]}"
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )
        self.client.create_bucket(Bucket=self.bucket)

    def keys(self, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def get(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return data

    def put(self, key: str, data: bytes, **more: object) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data, **more)

    def put_at_once(self, key: str, data: bytes) -> None:
        """Counts objects without the server, which takes long for a thousand of them."""
        backend = s3_backends["123456789012"]["aws"]
        backend.put_object(self.bucket, key, data)

    def has(self, key: str) -> bool:
        try:
            self.client.head_object(Bucket=self.bucket, Key=key)
        except ClientError:
            return False
        return True

    def uploads(self) -> list[str]:
        found = self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())
        return [upload["Key"] for upload in found]

    def tree(self, prefix: str) -> dict[str, bytes]:
        """Files of the data set below a prefix, without ``_build`` and the card."""
        paths = [key.removeprefix(f"{prefix}/") for key in self.keys(f"{prefix}/")]
        wanted = [p for p in paths if not (is_build_file(p) or is_card_file(p))]
        return {path: self.get(f"{prefix}/{path}") for path in wanted}
