"""GET requests: through the environment's proxies, past redirects, over TLS that is trusted."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import urllib3

from texgen.core.errors import TexgenError
from texgen.storage.network.causes import Cause, cause_of
from texgen.storage.network.certificates import tls_context
from texgen.storage.network.proxies import proxy_for, shown

_CONNECT_S = 10.0
_CONNECTIONS = 32
_REDIRECTS = 10


class NoAnswerError(TexgenError):
    """No server answered, or none that may be listened to.

    Args:
        trail: See `Answer.trail`.
        why: What happened, and the mend.
        passing: Whether another try may succeed.
    """

    def __init__(self, trail: str, why: str, passing: bool) -> None:
        super().__init__(trail, why, passing)
        self.trail, self.why, self.passing = trail, why, passing

    def __str__(self) -> str:
        return self.why


@dataclass(frozen=True, slots=True)
class Answer:
    """What came.

    Attributes:
        response: Its body is not read yet.
        trail: Where it came from if not straight from the URL, for people: begins with a blank.
    """

    response: urllib3.BaseHTTPResponse
    trail: str


class Web:
    """This process's connections; threads may share it.

    Args:
        timeout_s: Silence after which a connection counts as dead, s.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout = urllib3.Timeout(connect=_CONNECT_S, read=timeout_s)
        self._pools: dict[tuple[str, str | None], urllib3.PoolManager] = {}

    def get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """The answer at the end of all redirects.

        No header of ``headers`` may be a secret: they go to every host on the way.

        Raises:
            NoAnswerError: If there is none.
            ConfigError: If the environment's proxies or certificates cannot be used.
        """
        trail = ""
        for _ in range(_REDIRECTS + 1):
            proxy = proxy_for(url)
            via = f"{trail}, through the proxy {shown(proxy)}" if proxy else trail
            response = self._asked(url, headers, proxy, via)
            target = response.get_redirect_location()
            if not target:
                return Answer(response, via)
            response.drain_conn()
            url = _next(url, target, via)
            trail = f" (sent on to {shown(url)})"
        why = f"redirects do not end, after {_REDIRECTS} of them; check the URL"
        raise NoAnswerError(trail, why, passing=False)

    def _asked(
        self, url: str, headers: Mapping[str, str], proxy: str | None, via: str
    ) -> urllib3.BaseHTTPResponse:
        pool = self._pool(urlsplit(url).scheme, proxy)
        try:
            return pool.request("GET", url, headers=headers, preload_content=False, redirect=False)
        except urllib3.exceptions.LocationValueError as error:
            why = "that is not a URL; check how it is written"
            raise NoAnswerError(via, why, passing=False) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            cause = cause_of(error) or Cause(f"no answer ({type(error).__name__})")
            raise NoAnswerError(via, str(cause), cause.passing) from error

    def _pool(self, scheme: str, proxy: str | None) -> urllib3.PoolManager:
        """Not those of another scheme: TLS needs settings that may be wrong."""
        if (scheme, proxy) not in self._pools:
            # Not tried again here: who asks knows how much of a file is there already.
            of: dict[str, Any] = {
                "maxsize": _CONNECTIONS, "timeout": self._timeout, "retries": False,
            }  # fmt: skip
            of |= {"ssl_context": self._tls} if scheme == "https" else {}
            self._pools[scheme, proxy] = self._through(proxy, of)
        return self._pools[scheme, proxy]

    def _through(self, proxy: str | None, of: dict[str, Any]) -> urllib3.PoolManager:
        if proxy is None:
            return urllib3.PoolManager(**of)
        user = urllib3.util.parse_url(proxy).auth
        if user:
            of["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=unquote(user))
        if proxy.startswith("https:"):
            of["proxy_ssl_context"] = self._tls
        return urllib3.ProxyManager(proxy, **of)

    @functools.cached_property
    def _tls(self) -> ssl.SSLContext:
        return tls_context()


def _next(url: str, target: str, trail: str) -> str:
    """The URL that a redirect leads to, if it may be followed."""
    try:
        new = urljoin(url, target)
        scheme = urlsplit(new).scheme
    except ValueError:
        new = scheme = ""
    if scheme not in ("http", "https") or shown(new) is None:
        where = f"to {scheme}://" if scheme else "to what is not a URL"
        why = f"the server sends on {where}, which is not followed; check the URL"
        raise NoAnswerError(trail, why, passing=False)
    if url.startswith("https:") and scheme == "http":
        why = (
            f"the server sends on from https:// to {shown(new)}, where anybody on the way may "
            "change what comes; name the http:// URL yourself if that is meant"
        )
        raise NoAnswerError(trail, why, passing=False)
    return new
