"""Causes of failed connections, in words, found below the exceptions of the libraries."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import urllib3.exceptions as u3
from urllib3.util.ssl_match_hostname import CertificateError

from texgen.storage.network.certificates import trust_hint


@dataclass(frozen=True, slots=True)
class Cause:
    """The cause of a request without an answer.

    Attributes:
        reason: What happened; it follows the server's name and a colon.
        hint: What to do about it; empty if the caller has to say it.
        retryable: Whether another try may succeed.
    """

    reason: str
    hint: str = ""
    retryable: bool = True

    def __str__(self) -> str:
        return f"{self.reason}; {self.hint}" if self.hint else self.reason


_CLOCK = "set this machine's clock, or tell whoever runs the server"
_EXPIRED, _NOT_YET, _SELF_SIGNED, _HOST, _ADDRESS = 10, 9, 18, 62, 64
_OTHER_PROXY = "check https_proxy and http_proxy, or name the host in no_proxy"
_TUNNEL = "Tunnel connection failed: "
_UNKNOWN = {2, 7, 19, 20, 21, 27}
"""OpenSSL's codes for chains that end at an authority that is not trusted; 7 is one with the
same name and another key."""


RETRYABLE_STATUS = {408, 425, 429, 500, 502, 503, 504, 509}
"""Statuses of answers after which the same request may succeed."""


def cause_of(error: BaseException, otherwise: str = "") -> Cause:
    """The cause of an error of a connection.

    Args:
        error: The error.
        otherwise: What has happened if the cause is not known; the error's type is added.
    """
    for each in _chain(error):
        text = str(each)
        if isinstance(each, OSError) and text.startswith(_TUNNEL):
            return proxy_cause(text.removeprefix(_TUNNEL))
    cause = next((explain(e) for kinds, explain in _CAUSES if (e := _find(error, *kinds))), None)
    if cause and _find(error, u3.ProxyError):
        return Cause(f"the proxy cannot be used: {cause.reason}", _OTHER_PROXY, cause.retryable)
    name = type(error).__name__
    return cause or Cause(f"{otherwise} ({name})" if otherwise else name)


def proxy_cause(status: str) -> Cause:
    """The cause of a proxy's own refusal.

    Args:
        status: Its status line, such as ``407 Proxy Authentication Required``.
    """
    if status.startswith("407"):
        reason = "the proxy wants a user and a password (407)"
        return Cause(reason, "name them as http://user:password@host:port there", retryable=False)
    retryable = status[:3] in ("429", "502", "503", "504")
    return Cause(f"the proxy answers {status}", _OTHER_PROXY, retryable)


def _of_certificate(error: Any) -> Cause:  # noqa: ANN401 - a kind that `_CAUSES` names
    code = error.verify_code
    if code == _EXPIRED:
        return Cause("its certificate has expired", _CLOCK, retryable=False)
    if code == _NOT_YET:
        return Cause("its certificate is not valid yet", _CLOCK, retryable=False)
    if code in (_HOST, _ADDRESS):
        return _OTHER_HOST
    if code == _SELF_SIGNED:
        return Cause("its certificate is self-signed", trust_hint("it"), retryable=False)
    if code in _UNKNOWN:
        reason = "its certificate is of an authority that is not trusted here"
        return Cause(reason, trust_hint("that authority"), retryable=False)
    return Cause(f"its certificate is not trusted: {error.verify_message}", retryable=False)


def _of_tls(error: Any) -> Cause:  # noqa: ANN401 - a kind that `_CAUSES` names
    reason = error.reason or ""
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
        return Cause("it does not speak https", "write http:// if that is meant", retryable=False)
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)) or "EOF" in reason:
        return Cause("it closed the connection in the middle of TLS")
    text = reason.replace("_", " ").lower() or "the two have nothing in common"
    return Cause(f"TLS failed: {text}", retryable=False)


def _of_status_line(error: BaseException) -> Cause:
    # The first bytes of a TLS alert, as they are or quoted.
    if str(error).lstrip("'").startswith(("\x15\x03", "\\x15\\x03")):
        return Cause("it speaks https", "write https://", retryable=False)
    return Cause("the connection broke")


def _of_system(error: Any) -> Cause | None:  # noqa: ANN401 - a kind that `_CAUSES` names
    return Cause(os.strerror(error.errno)) if error.errno else None


_NAME = Cause("its name is not known here", "check the name, and this machine's DNS")
_OTHER_HOST = Cause(
    "its certificate is another host's", "name the host as its certificate does", retryable=False
)
_REFUSED = Cause("Connection refused, nothing listens there", "check host and port")
_CAUSES: tuple[tuple[tuple[type[BaseException], ...], Callable[[Any], Cause | None]], ...] = (
    ((ssl.SSLCertVerificationError,), _of_certificate),
    # botocore leaves the name to urllib3.
    ((CertificateError,), lambda _: _OTHER_HOST),
    ((ssl.SSLError,), _of_tls),
    ((socket.gaierror,), lambda _: _NAME),
    ((ConnectionRefusedError,), lambda _: _REFUSED),
    ((http.client.BadStatusLine,), _of_status_line),
    ((u3.ConnectTimeoutError,), lambda _: Cause("no connection in time")),
    ((TimeoutError, u3.TimeoutError), lambda _: Cause("no answer in time")),
    ((ConnectionError, u3.ProtocolError), lambda _: Cause("the connection broke")),
    ((OSError,), _of_system),
)
"""Kinds of errors and the cause of each, from the innermost to the one that tells least."""


def _find(error: BaseException, *kinds: type[BaseException]) -> BaseException | None:
    return next((each for each in _chain(error) if isinstance(each, kinds)), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those below it."""
    left: list[object] = [error]
    seen: set[int] = set()
    while left:
        each = left.pop(0)
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        # urllib3 keeps what happened in `reason`, botocore in `kwargs`, others in their arguments.
        kept = getattr(each, "kwargs", None)
        left += [getattr(each, "reason", None), each.__cause__, each.__context__, *each.args]
        left += [kept.get("error")] if isinstance(kept, dict) else []
