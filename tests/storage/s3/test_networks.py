"""Buckets behind proxies and with certificates of all kinds, and the texts of their answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.support.file_server import serving
from tests.support.networks import Authority, ForwardProxy, proxy
from tests.support.store import KEY, SECRET, Store
from texgen.cli.main import run
from texgen.core.errors import ConfigError, StorageError
from texgen.storage import Sink
from texgen.storage.s3.client import _forget, secrets_of
from texgen.storage.s3.errors import is_retryable, s3_error

Reads = Callable[[str], bytes]


@pytest.fixture
def reads(s3: Store, hurried: list[int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Reads]:
    """Reads an object at an endpoint, with no settings of networks."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.endswith("_CA_BUNDLE") or "SSL_CERT" in name:
            monkeypatch.delenv(name)
    s3.put("a", b"data")
    _forget()
    yield lambda endpoint: Sink(f"s3://{s3.bucket}", None, endpoint).open("a").read()
    _forget()


CERTIFICATES = {
    "unknown": ({}, "its certificate is of an authority that is not trusted here"),
    "self-signed": ({"self_signed": True}, "its certificate is self-signed"),
    "expired": ({"begins_in": -9, "days": 3}, "its certificate has expired"),
    "other host": ({"host": "elsewhere.example"}, "its certificate is another host's"),
}


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_what_is_wrong_with_a_stores_certificate_is_said_at_once(
    kind, reads, hurried, tmp_path, monkeypatch
):
    about, message = CERTIFICATES[kind]
    authority = Authority(tmp_path)
    if kind not in ("unknown", "self-signed"):
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    with (
        serving(tmp_path, tls=authority.context(**about)) as server,
        pytest.raises(StorageError, match=rf"no answer from {server.url} \({message}\); "),
    ):
        reads(server.url)
    assert not hurried


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_file_of_authorities_counts_for_buckets_too(name, reads, tmp_path, monkeypatch):
    authority = Authority(tmp_path)
    monkeypatch.setenv(name, str(authority.file))
    with serving(tmp_path, tls=authority.context()) as server:
        # It is not a store, but its certificate was accepted.
        with pytest.raises(StorageError, match=r"404|it is not there"):
            reads(server.url)
        _forget()
        monkeypatch.setenv(name, "/nope.pem")
        with pytest.raises(ConfigError, match=rf"{name} names /nope\.pem, which is not there"):
            reads(server.url)
    # The file of authorities is not looked at without TLS.
    _forget()
    assert reads(os.environ["AWS_ENDPOINT_URL_S3"]) == b"data"


def test_https_to_a_plain_store_is_said_at_once(reads, s3, hurried):
    with pytest.raises(StorageError, match=r"\(it does not speak https\); write http:// if"):
        reads(s3.endpoint.replace("http:", "https:"))
    assert not hurried


@pytest.fixture
def through(s3: Store) -> Iterator[ForwardProxy]:
    with proxy() as server:
        server.hosts["store.invalid"] = urlsplit(s3.endpoint).port or 80
        yield server


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "all_proxy"])
def test_a_store_behind_a_proxy_is_reached(name, reads, through, monkeypatch):
    monkeypatch.setenv(name, through.url)
    assert reads("http://store.invalid") == b"data"
    assert through.asked


def test_a_store_in_a_network_of_no_proxy_is_asked_itself(reads, s3, through, monkeypatch):
    monkeypatch.setenv("http_proxy", through.url)
    monkeypatch.setenv("no_proxy", "10.0.0.0/8,127.0.0.0/8")
    assert reads(s3.endpoint) == b"data"
    assert not through.asked


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_before_a_store_that_refuses_or_is_down_is_named(
    scheme, reads, through, monkeypatch
):
    monkeypatch.setenv(f"{scheme}_proxy", through.url.replace("://", "://me:sesame@"))
    through.user = "me:other"
    with pytest.raises(StorageError, match=r"the proxy wants a user and a password \(407\)"):
        reads(f"{scheme}://store.invalid")
    through.shutdown()
    through.server_close()
    message = rf"no answer through {through.url} \(the proxy cannot be used: Connection refused"
    with pytest.raises(StorageError, match=message) as caught:
        reads(f"{scheme}://store.invalid")
    assert "sesame" not in str(caught.value)


def refused(code: str, message: str, status: int = 403) -> ClientError:
    about = {"HTTPStatusCode": status}
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": about}
    return ClientError(answer, "PutObject")  # type: ignore[arg-type]


def test_the_stores_own_words_stand_beside_ours():
    full = "Forbidden: Bucket size quota is reached, maximum total size: 1000.\n"
    message = str(s3_error("write", "s3://b/a", refused("AccessDenied", full), signed=True))
    assert message == (
        "cannot write s3://b/a: the store says AccessDenied; make room there, or raise the quota "
        "(its words: Forbidden: Bucket size quota is reached, maximum total size: 1000)"
    )
    # A text that adds nothing to the code and the status is left out.
    for code, words in (("AccessDenied", "Forbidden"), ("Odd", "odd"), ("Odd", "")):
        message = str(s3_error("write", "s3://b/a", refused(code, words), signed=True))
        assert "words" not in message


def test_the_stores_words_are_one_line_without_credentials(reads, s3):
    reads(s3.endpoint)
    quoted = f"No such key:\n {KEY}\x1b[2J, {SECRET} " + "x" * 1000
    error = refused("InvalidAccessKeyId", quoted)
    message = str(s3_error("read", "s3://b/a", error, signed=True, secrets=secrets_of(s3.endpoint)))
    assert KEY not in message
    assert SECRET not in message
    assert message.isprintable()
    assert len(message) < 500
    assert not is_retryable(error)
    words = refused("AccessDenied", "The bucket b is not yours.")
    message = str(s3_error("read", "s3://b/a", words, signed=True, secrets=("b", "not")))
    assert message.endswith("(its words: The bucket … is … yours)")


@pytest.mark.parametrize("url", ["127.0.0.1:9", "'http://127.0.0.1:9'", "http://h:9 ", "ftp://h"])
@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_an_endpoint_in_the_environment_that_is_no_url_is_named(
    url, name, reads, monkeypatch, capsys
):
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    monkeypatch.setenv(name, url)
    assert run(["status", "s3://bucket/out"]) == 2
    assert capsys.readouterr().err.startswith(f"texgen: {name} is not a URL such as https://host")
