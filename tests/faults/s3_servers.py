"""Independent S3 servers that a test starts: Garage and s3s-fs.

``cargo install garage --locked`` and ``cargo install s3s-fs --features binary --locked`` install
them. The tests look for them in the folder that TEXGEN_TEST_SERVERS names, then on PATH.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Protocol

import boto3
import pytest
from botocore.config import Config

from texgen.core.layout import is_build_file, is_card_file

_SECRET = "0123456789abcdef" * 4
_START_S = 60


def program(name: str) -> Path:
    """Path of a server's program; skips the test where it is missing."""
    folder = os.environ.get("TEXGEN_TEST_SERVERS")
    found = shutil.which(name, path=folder) or shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed, nor in the folder that TEXGEN_TEST_SERVERS names")
    return Path(found)


def free_ports(count: int) -> list[int]:
    """Free ports."""
    open_ = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in open_]
    for each in open_:
        each.close()
    return ports


class Server(Protocol):
    """A server with a key of its own and one bucket, ``bucket``.

    Attributes:
        endpoint: URL of the server.
        key: Access key and secret with all rights.
        version: Version that the program reports.
    """

    endpoint: str
    key: tuple[str, str]
    version: str

    def start(self) -> None:
        """Starts the program, and waits until it answers."""
        ...

    def kill(self) -> None:
        """Kills it with SIGKILL."""
        ...


class _Program:
    """A program that serves S3 at ``endpoint``."""

    endpoint: str
    key: tuple[str, str]
    line: list[str]

    def __init__(self, folder: Path, name: str) -> None:
        self._program = program(name)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        said = subprocess.run([self._program, "--version"], capture_output=True, text=True)
        self.version = said.stdout.split("[")[0].strip()

    def start(self) -> None:
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *self.line], stdout=log, stderr=log, env=self._environment()
            )
        host, port = self.endpoint.removeprefix("http://").split(":")
        deadline = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection((host, int(port)), 1).close()
            except OSError:
                assert self._process.poll() is None, (self._folder / "server.log").read_text()
                assert time.monotonic() < deadline, "the server does not come up"
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(30)

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "RUST_LOG": "warn"}

    def client(self) -> Any:
        """A client that does not use texgen's code."""
        key, secret = self.key
        config = Config(
            request_checksum_calculation="when_required", s3={"addressing_style": "path"}
        )
        return boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1", config=config,
            aws_access_key_id=key, aws_secret_access_key=secret,
        )  # fmt: skip

    def environment(self, key: tuple[str, str] | None = None) -> dict[str, str]:
        """Environment of a texgen that uses the server.

        Args:
            key: Access key and secret, by default with all rights; empty ones for none.
        """
        kept = {n: v for n, v in os.environ.items() if not n.startswith("AWS_")}
        user, secret = key or self.key
        return kept | {
            **({"AWS_ACCESS_KEY_ID": user, "AWS_SECRET_ACCESS_KEY": secret} if user else {}),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def tree(self, prefix: str, bucket: str = "bucket") -> dict[str, bytes]:
        """Files of the data set below a prefix, without ``_build`` and the card."""
        client = self.client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
        keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
        paths = [key.removeprefix(f"{prefix}/") for key in keys]
        return {
            path: client.get_object(Bucket=bucket, Key=f"{prefix}/{path}")["Body"].read()
            for path in paths
            if not (is_build_file(path) or is_card_file(path))
        }


class Garage(_Program):
    """One node of Garage, its metadata in SQLite.

    Attributes:
        web: Port of the endpoint for web sites.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "garage")
        rpc, api, self.web, admin = free_ports(4)
        self.endpoint = f"http://127.0.0.1:{api}"
        (folder / "garage.toml").write_text(
            f'metadata_dir = "{folder}/meta"\ndata_dir = "{folder}/data"\ndb_engine = "sqlite"\n'
            f'replication_factor = 1\nrpc_bind_addr = "127.0.0.1:{rpc}"\n'
            f'rpc_public_addr = "127.0.0.1:{rpc}"\nrpc_secret = "{_SECRET}"\n'
            f'[s3_api]\ns3_region = "us-east-1"\napi_bind_addr = "127.0.0.1:{api}"\n'
            f'[s3_web]\nbind_addr = "127.0.0.1:{self.web}"\nroot_domain = ".web.localhost"\n'
            f'index = "index.html"\n[admin]\napi_bind_addr = "127.0.0.1:{admin}"\n'
        )
        self.line = ["-c", str(folder / "garage.toml"), "server", "--single-node"]
        self.start()
        self.key = self.new_key("all")
        self.admin("bucket", "create", "bucket")
        self.allow(self.key[0], "--read", "--write", "--owner")

    def admin(self, *words: str) -> str:
        """Runs a command of Garage's own command line."""
        line = [self._program, "-c", self._folder / "garage.toml", *words]
        deadline = time.monotonic() + _START_S
        while (done := subprocess.run(line, capture_output=True, text=True)).returncode:
            # Garage listens a moment before it is a cluster.
            assert time.monotonic() < deadline, done.stderr
            time.sleep(0.2)
        return done.stdout

    def new_key(self, name: str) -> tuple[str, str]:
        """Access key and secret of a new key without any rights."""
        said = dict(
            (part.strip() for part in line.split(":", 1))
            for line in self.admin("key", "create", name).splitlines()
            if ":" in line
        )
        return said["Key ID"], said["Secret key"]

    def allow(self, key: str, *rights: str, bucket: str = "bucket") -> None:
        """Gives a key rights on a bucket."""
        self.admin("bucket", "allow", *rights, bucket, "--key", key)


class S3sFs(_Program):
    """The server s3s-fs, which serves a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "s3s-fs")
        (port,) = free_ports(1)
        self.endpoint = f"http://127.0.0.1:{port}"
        self.key = ("AKIATEXGENTEST00", "secret/of+the-test")
        (folder / "root").mkdir()
        self.line = [
            "--host", "127.0.0.1", "--port", str(port), "--access-key", self.key[0],
            "--secret-key", self.key[1], str(folder / "root"),
        ]  # fmt: skip
        self.start()
        self.client().create_bucket(Bucket="bucket")
